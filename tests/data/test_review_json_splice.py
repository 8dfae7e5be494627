"""A text in a JSON document is replaced, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.data.review.json_splice import Steps, items, splice

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def places(value: Any, at: Steps = ()) -> list[Steps]:
    """The path of every text."""
    if isinstance(value, str):
        return [at]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for step, each in inner for place in places(each, (*at, step))]


def replaced(value: Any, at: Steps, text: str) -> Any:
    if not at:
        return text
    step = at[0]
    inner = replaced(value[step], at[1:], text)
    if isinstance(value, dict):
        return {**value, step: inner}
    return [inner if number == step else each for number, each in enumerate(value)]


@given(VALUES, st.text(max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_any_text_of_any_document(value: Any, text: str, indent: int | None, ascii_only: bool) -> None:
    """Read back, the document is the same but for the one text; one in ASCII stays in ASCII."""
    document = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    for place in places(value):
        new = splice(document, {place: text})
        assert json.loads(new) == replaced(value, place, text)
        assert not document.isascii() or new.isascii()


def test_the_rest_stays_character_by_character() -> None:
    """Spaces, numbers, escapes, the order of keys and a key that is there twice."""
    document = ' {"a" : [1.0,\n 1e5, "\\u0041"], "b": "x", "b":\t"y" , "c\\"": {"d": "z"}} '
    new = splice(document, {("b",): "Y", ('c"', "d"): "Z", ("a", 2): "B"})
    assert new == ' {"a" : [1.0,\n 1e5, "B"], "b": "x", "b":\t"Y" , "c\\"": {"d": "Z"}} '


@pytest.mark.parametrize(("place", "error"), [(("x",), KeyError), (("a", 3), IndexError)])
def test_a_path_of_nothing(place: Steps, error: type[Exception]) -> None:
    """A key or a place that is not there is an error, not a new member."""
    with pytest.raises(error):
        splice('{"a": [1, 2]}', {place: "text"})


def test_items_of_a_list() -> None:
    """Where each begins and ends, without the commas and spaces between."""
    document = '\ufeff [ {"a": "]"} ,[1],\n"," ] '
    assert [document[start:end] for start, end in items(document)] == ['{"a": "]"}', "[1]", '","']
    assert list(items("[]")) == []
