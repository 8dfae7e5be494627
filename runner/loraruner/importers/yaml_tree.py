"""YAML as a tree of plain values, built from the parser's events: no tags, no anchors, no key twice.

Scalars are those of YAML's core schema (1.2.2, section 10.3.2): ``2e-4`` is a number, ``no`` and ``2024-01-01`` are
strings. PyYAML's own loaders read ``2e-4`` as a string and ``no`` as false.
"""

import re
from collections.abc import Iterator
from typing import Any

from loraruner.spec.faults import shorten

MAX_LEVELS = 16
MAX_EVENTS = 20_000

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}


class NotYaml(ValueError):
    """Text that is no YAML, or uses what no configuration needs, with the place."""


def parse(text: str) -> Any:
    """One YAML document as dicts, lists, strings, numbers, truth values and None; raises NotYaml."""
    import yaml

    try:
        return _Builder(yaml.parse(text, Loader=yaml.SafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        raise NotYaml(f"{_place(error.problem_mark)}: {error.problem or 'cannot be read'}; correct it") from None
    except yaml.YAMLError:
        raise NotYaml("it holds characters that YAML does not allow; take them out") from None


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"


class _Builder:
    """Walks the events of one document."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._left = MAX_EVENTS

    def document(self) -> Any:
        """The value of the only document; None where the stream is empty."""
        self._next()  # the stream's start
        if type(self._next()).__name__ != "DocumentStartEvent":
            return None
        value = self._value(self._next(), 1)
        self._next()  # the document's end
        extra = self._next()
        if type(extra).__name__ == "DocumentStartEvent":
            raise NotYaml(f"{_place(extra.start_mark)}: a second document begins; keep one")
        return value

    def _next(self) -> Any:
        self._left -= 1
        if self._left < 0:
            raise NotYaml("it has more entries than a configuration can need; shorten it")
        return next(self._events)

    def _value(self, event: Any, level: int) -> Any:
        kind = type(event).__name__
        place = _place(event.start_mark)
        if kind == "AliasEvent" or event.anchor is not None:
            raise NotYaml(f"{place}: anchors and aliases are not read; write the value out")
        if event.tag is not None:
            raise NotYaml(f"{place}: tags such as {shorten(event.tag)} are not read; take it out")
        if level > MAX_LEVELS:
            raise NotYaml(f"{place}: it is nested deeper than {MAX_LEVELS} levels; a configuration needs two")
        if kind == "ScalarEvent":
            return _scalar(event.value) if event.implicit[0] else event.value
        return self._sequence(level) if kind == "SequenceStartEvent" else self._mapping(level)

    def _sequence(self, level: int) -> list[Any]:
        found = []
        while type(event := self._next()).__name__ != "SequenceEndEvent":
            found.append(self._value(event, level + 1))
        return found

    def _mapping(self, level: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while type(event := self._next()).__name__ != "MappingEndEvent":
            place = _place(event.start_mark)
            if type(event).__name__ != "ScalarEvent":
                raise NotYaml(f"{place}: a key is no plain text; name a key")
            self._value(event, level)  # refuses an anchor or a tag
            if event.value in found:
                raise NotYaml(f"{place}: the key {shorten(event.value)} is given twice; keep one of them")
            found[event.value] = self._value(self._next(), level + 1)
        return found


def _scalar(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and len(text) <= 64 else text
