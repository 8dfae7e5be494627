"""Replace single texts in a JSON document and leave every other character as it is."""

import json
import re
from collections.abc import Iterator, Mapping

Steps = tuple[str | int, ...]  # keys, and places in lists

_SPACE = re.compile(r"[ \t\n\r\ufeff]*")  # a byte order mark at the beginning is no text
_DECODER = json.JSONDecoder()


def splice(document: str, texts: Mapping[Steps, str]) -> str:
    """A valid JSON ``document`` with the texts at some paths replaced; KeyError or IndexError for a path of nothing.

    New texts are escaped as the document is: one in ASCII stays in ASCII.
    """
    ascii_only = document.isascii()
    spans = sorted((*_span(document, steps), text) for steps, text in texts.items())
    for start, end, text in reversed(spans):
        document = document[:start] + json.dumps(text, ensure_ascii=ascii_only) + document[end:]
    return document


def items(document: str) -> Iterator[tuple[int, int]]:
    """Where each item of a JSON list begins and ends."""
    place = _skip(document, _skip(document, 0) + 1)
    while document[place] != "]":
        end = _end(document, place)
        yield place, end
        place = _next(document, end)


def _span(document: str, steps: Steps) -> tuple[int, int]:
    """Where the value at a path begins and ends."""
    start = _skip(document, 0)
    for step in steps:
        if isinstance(step, str):
            start += _member(document[start:], step)
        else:
            start += [begin for begin, _ in items(document[start:])][step]
    return start, _end(document, start)


def _member(document: str, name: str) -> int:
    """Where the value of a key begins; of a key that is there twice the last, as readers of JSON take it."""
    found = None
    place = _skip(document, 1)
    while document[place] != "}":
        key, end = _DECODER.raw_decode(document, place)
        place = _skip(document, _skip(document, end) + 1)
        if key == name:
            found = place
        place = _next(document, _end(document, place))
    if found is None:
        raise KeyError(name)
    return found


def _end(document: str, start: int) -> int:
    return _DECODER.raw_decode(document, start)[1]


def _next(document: str, end: int) -> int:
    """Where the next member or item begins, or the bracket after the last."""
    place = _skip(document, end)
    return _skip(document, place + 1) if document[place] == "," else place


def _skip(document: str, place: int) -> int:
    match = _SPACE.match(document, place)
    return match.end() if match else place
