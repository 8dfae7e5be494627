"""YAML by its events: the core schema's scalars, and nothing that could run or swell."""

import math

import pytest
import yaml

from loraruner.importers.yaml_tree import NotYaml, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-4", 2e-4),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-3", -3),
        ("0", 0),
        ("007", "007"),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("on", "on"),
        ("~", None),
        ("null", None),
        ("''", ""),
        ("'12'", "12"),
        ('"true"', "true"),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("9" * 30, "9" * 30),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    """Numbers, truth values and null of YAML 1.2; all else is the text itself."""
    found = parse(f"a: {text}")["a"]
    assert found == value and type(found) is type(value)


def test_nothing_is_infinite() -> None:
    """No scalar becomes a number that is none."""
    assert parse("a: .inf\nb: .nan\nc: 1e999") == {"a": ".inf", "b": ".nan", "c": math.inf}


def test_the_same_tree_as_the_usual_loader() -> None:
    """Nested maps and lists, flow and block, comments and quotes: as PyYAML reads them."""
    text = "a:\n  - b: [1, {c: 'd # e'}]\n    f: \"g\\n\"\n  - h\n# comment\ni: {}\nj: []\n"
    assert parse(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &x 1\nb: *x\n", "line 1, column 4: anchors and aliases are not read"),
        ("a: *x\n", "line 1, column 4: anchors and aliases are not read"),
        ("&x a: 1\n", "line 1, column 1: anchors and aliases are not read"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1, column 4: tags such as"),
        ("a: ! x\n", "line 1, column 4: tags such as"),
        ("!!map {a: 1}\n", "line 1, column 1: tags such as"),
        ("a: 1\nb: 2\na: 3\n", 'line 3, column 1: the key "a" is given twice'),
        ("? [a]\n: 1\n", "line 1, column 3: a key is no plain text"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: a second document begins"),
        ("a:\n\t- 1\n", "line 2, column 1: found character '\\t'"),
        ("a: [1, 2\n", "line 2, column 1: expected ',' or ']'"),
        ("a: " + "[" * 40, "nested deeper than 16 levels"),
        ("a:\n" + "- 1\n" * 21_000, "more entries than a configuration can need"),
    ],
)
def test_what_is_refused(text: str, told: str) -> None:
    """The place and what to do; an alias is never followed, a tag never obeyed."""
    with pytest.raises(NotYaml) as error:
        parse(text)
    assert told in str(error.value)


def test_no_document() -> None:
    """A file of comments holds nothing."""
    assert parse("# nothing\n") is None
