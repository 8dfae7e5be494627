"""Hostile bytes are refused quickly, in one sentence, with their place, and never by another error."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.spec import JobInvalid, document, load

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


def refusal(data: bytes) -> str:
    with pytest.raises(JobInvalid) as caught:
        document.read(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xef\xbb\xbf{}", "UTF-8 with a byte order mark"),
        ("{}".encode("utf-16"), "written in UTF-16"),
        ("{}".encode("utf-32"), "written in UTF-32"),
        ("{}".encode("utf-16-le"), "holds a NUL byte at 1"),
        (b'{"name": "\xff"}', "is not UTF-8: byte 10"),
        (b"{" + b" " * document.MAX_BYTES + b"}", "larger than 1 MiB"),
        (b"[" * document.MAX_BYTES, "deeper than 32 levels at line 1, column 33"),
        (b'{"a":' * 50, "deeper than 32 levels"),
        (b'{"a": 1}\n  x', "line 2, column 3"),
        (b"name: style", "is not JSON"),
        (b'"' + b'\\"' * 500_000, "is not JSON: Unterminated string"),
        (b'{"\\"' * 200_000, "is not JSON"),
        (b"[" + b"1," * 5000 + b"1]", "holds 5001 entries"),
        (b"-" + b"9" * 5000, "integer of 5001 characters"),
    ],
)
def test_hostile_bytes_are_refused_at_once(data: bytes, told: str) -> None:
    """Each attack ends in one sentence that names it, in linear time."""
    started = time.process_time()
    message = refusal(data)
    assert told in message and "\n" not in message and len(message) < 300
    assert time.process_time() - started < 1


def test_brackets_in_strings_are_no_levels() -> None:
    """The level count knows strings and escapes."""
    text = json.dumps({"prompt": '[{"\\' * 100})
    assert document.read(text.encode()) == json.loads(text)


def test_32_levels_pass_and_33_do_not() -> None:
    """The limit is exact."""
    nested = b'{"a": ' + b"[" * 31 + b"]" * 31 + b"}"
    assert document.read(nested)
    assert "deeper than 32" in refusal(nested.replace(b"[", b"[[", 1).replace(b"]", b"]]", 1))


def test_every_unfit_number_is_named() -> None:
    """Duplicates and numbers that are none are reported together, each at its own place."""
    message = refusal(b'{"a": [NaN, {"b": 1, "b": 2}], "c": Infinity, "d": -1e999}')
    assert [line.split(":")[0] for line in message.splitlines()[1:]] == ["$.a[0]", "$.a[1].b", "$.c", "$.d"]


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    """Any bytes end in JobInvalid, with JSON-able faults that print."""
    with pytest.raises(JobInvalid) as caught:
        load(data)
    str(caught.value).encode()


@given(JSON, st.sampled_from(["name", "task", "model", "lora", "training", "options", "output", "labels", "x"]))
def test_random_json_raises_nothing_else(value: object, key: str) -> None:
    """Any value in any section of an otherwise valid job loads or ends in JobInvalid."""
    job = {
        "name": "n",
        "task": "text-to-image",
        "model": {"base": "b"},
        "data": {"uri": "d"},
        "output": {"uri": "o"},
    }
    try:
        load(json.dumps({**job, key: value}).encode())
    except JobInvalid as error:
        str(error).encode()
