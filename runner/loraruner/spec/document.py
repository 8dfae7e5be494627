"""Hostile bytes in, a plain JSON object out: what ``json`` lets through is refused with its place."""

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from loraruner.spec.faults import Fault, JobInvalid, pointer, shorten

MAX_BYTES = 1 << 20
MAX_LEVELS = 32
MAX_ITEMS = 1000  # in one list or object: keeps every check linear in practice
MAX_DIGITS = 19  # of an integer: more than 64 bits mean nothing here

# The possessive quantifiers keep the scan linear; an unclosed string runs to the end and is json's to report.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_STARTER = "write one JSON object without comments or trailing commas (`loraruner init TASK` makes a starter)"


class _Object(dict[str, Any]):
    """A parsed object that remembers which keys came twice."""

    repeated: tuple[str, ...] = ()


class _Refused:
    """Stands in the parsed tree for a number that must not be used."""

    def __init__(self, shown: str, reason: str) -> None:
        self.shown, self.reason = shown, reason


def read(data: bytes) -> dict[str, Any]:
    """Parse a whole job; raises JobInvalid for anything but one well-formed, small, plain JSON object."""
    if len(data) > MAX_BYTES:
        raise _invalid("is larger than 1 MiB", "a job is a page of JSON; keep data in the data set")
    try:
        document = parse(_decode(data))
    except json.JSONDecodeError as error:
        what = (
            "has something after the JSON value"
            if error.msg == "Extra data"
            else f"is not JSON: {error.msg.removesuffix(' at')}"
        )
        raise _invalid(f"{what} at line {error.lineno}, column {error.colno}", _STARTER) from None
    if not isinstance(document, dict):
        raise JobInvalid([Fault("$", shorten(document), "is not a JSON object", _STARTER)])
    return document


def parse(text: str) -> Any:
    """Parse one JSON value; raises ``json.JSONDecodeError`` where it is no JSON, JobInvalid where unfit."""
    _check_levels(text)
    tree = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float)
    faults = list(_faults(tree, ()))
    if faults:
        raise JobInvalid(faults)
    return tree


def is_plain(text: str) -> bool:
    """Whether a string holds neither control characters (but tab and line ends) nor half surrogate pairs."""
    return _UNFIT.search(text) is None


def _invalid(reason: str, fix: str) -> JobInvalid:
    return JobInvalid([Fault("$", "", reason, fix)])


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            raise _invalid(f"is written in {encoding}", "save it as UTF-8 without a byte order mark")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(f"is not UTF-8: byte {error.start} cannot be read", "save it as UTF-8") from None
    if "\0" in text:
        raise _invalid(f"holds a NUL byte at {text.index(chr(0))}", "save it as UTF-8 text (UTF-16 is refused)")
    if not text.strip():
        raise _invalid("is empty", _STARTER)
    return text


def _check_levels(text: str) -> None:
    """Count brackets outside strings before ``json`` recurses into them."""
    level = 0
    for match in _TOKEN.finditer(text):
        bracket = match[0]
        if bracket in "[{":
            level += 1
        elif bracket in "]}":
            level -= 1
        if level > MAX_LEVELS:
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start())
            raise _invalid(
                f"is nested deeper than {MAX_LEVELS} levels at line {line}, column {column}",
                "a job needs no more than 4 levels",
            )


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        found.repeated = tuple(key for key, count in counts.items() if count > 1)
    return found


def _constant(name: str) -> _Refused:
    return _Refused(name, "is no JSON number")


def _integer(digits: str) -> int | _Refused:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        return _Refused(digits[:8] + "...", f"is an integer of {len(digits)} characters")
    return int(digits)


def _float(digits: str) -> float | _Refused:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        return _Refused(digits[:16], "is too large for a number")
    return number


def _faults(value: Any, path: tuple[str | int, ...]) -> Iterator[Fault]:
    """Walk the parsed tree (at most MAX_LEVELS deep) and name every value that must not be used."""
    if isinstance(value, _Refused):
        yield Fault(pointer(path), value.shown, value.reason, "give a finite number of usual size")
    elif isinstance(value, str) and not is_plain(value):
        yield Fault(pointer(path), "", "holds a control character or half a surrogate pair", "give plain text")
    elif isinstance(value, dict | list):
        yield from _container_faults(value, path)


def _container_faults(value: dict[str, Any] | list[Any], path: tuple[str | int, ...]) -> Iterator[Fault]:
    if len(value) > MAX_ITEMS:
        yield Fault(pointer(path), "", f"holds {len(value)} entries", f"give at most {MAX_ITEMS}")
        return
    if isinstance(value, _Object):
        for key in value.repeated:
            yield Fault(pointer((*path, key)), "", "is given twice", "keep one of them")
        yield from (
            Fault(pointer(path), "", f"has the key {shorten(key)}, which holds a control character", "rename it")
            for key in value
            if not is_plain(key)
        )
    entries: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for place, item in entries:
        yield from _faults(item, (*path, place))
