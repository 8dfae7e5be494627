"""Bytes to tables: what is read, and every way in which a file is refused, with its line."""

import pytest

from loraruner.errors import DataInvalid
from loraruner.importers.reading import MAX_BYTES, MAX_LINE, Source, read


@pytest.mark.parametrize(
    ("name", "text", "tree"),
    [
        ("a.toml", "[a]\nb = 1e-4\nc = 2024-01-01\n", {"a": {"b": 1e-4, "c": "2024-01-01"}}),
        ("a.toml", "\ufeffb = true\r\n", {"b": True}),
        ("a.yaml", "b: 2e-4\r\nc: no\n", {"b": 2e-4, "c": "no"}),
        ("a.json", '{"b": [1, "x", null]}', {"b": [1, "x", None]}),
        ("a.conf", "b = 1\n", {"b": 1}),
        ("a.conf", "b: 1\n", {"b": 1}),
        ("stdin", "b: 1\n", {"b": 1}),
    ],
)
def test_what_is_read(name: str, text: str, tree: dict[str, object]) -> None:
    """The suffix says TOML or YAML; without one that does, TOML is tried first."""
    assert read(Source(name, text.encode())) == tree


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.toml", b"a = 1\nb = = 2\n", "a.toml: is no TOML: invalid value (at line 2, column 5); correct it"),
        (
            "a.toml",
            b"a = 1\na = 2\n# end",
            "a.toml: is no TOML: cannot overwrite a value (at line 2, column 6); correct it",
        ),
        ("a.toml", b"a = 1\nb = ", "a.toml: is no TOML: invalid value (at the end, line 2); correct it"),
        ("a.toml", rb'a = "C:\hoge"', "put a path with backslashes in single quotes"),
        ("a.toml", b"a = " + b"[" * 5000, "is no TOML: it is nested deeper than 16 levels"),
        ("a.toml", b"a = " + b"9" * 5000, "an integer of thousands of digits"),
        ("a.toml", b"a = 0x" + b"f" * 5000, "a is an integer of too many digits"),
        ("a.toml", b"a" + b".a" * 3000 + b" = 1", "has more than 1000 entries or 16 levels"),
        ("a.toml", b"a = [" + b"1," * 2000 + b"]", "a has more than 1000 entries"),
        ("a.toml", b'a = "' + b"x" * MAX_LINE + b'"', f"line 1 is longer than {MAX_LINE} characters"),
        ("a.toml", b"\n\na = 1 # \x07", "line 3 holds a control character"),
        ("a.toml", b'a = "\\u0007"', "a holds a control character"),
        ("a.toml", b'"\\u0007" = 1', "the top level has a key with a control character"),
        ("a.toml", b"a = '\xff'", "is not UTF-8 at byte 5"),
        ("a.toml", b"", "holds no keys"),
        ("a.toml", b" " * (MAX_BYTES + 1), "is larger than 64 KiB"),
        ("a.yaml", b"- 1\n- 2\n", "holds no keys"),
        (
            "a.yaml",
            b"a: 1\n b: 2\n",
            "a.yaml: is no YAML: line 2, column 3: mapping values are not allowed here; correct it",
        ),
        ("a.conf", b"a = = 1\n", "a.conf: is no TOML: invalid value (at line 1, column 5)"),
        ("a.conf", b"a: [1\n", "and no TOML: expected '=' after a key"),
    ],
)
def test_what_is_refused(name: str, data: bytes, told: str) -> None:
    """65 with the file, the place and what to do."""
    with pytest.raises(DataInvalid) as error:
        read(Source(name, data))
    assert told in str(error.value) and str(error.value).startswith(f"{name}: ")
    assert error.value.code == 65 and len(str(error.value)) < 400
