"""Values of a foreign configuration as the types that a job needs."""

import math
import re
from collections.abc import Callable
from typing import Any

Kind = Callable[[Any], Any]

EMPTY: tuple[object, ...] = (None, "", [], {})
_NUMERAL = re.compile(r"[-+]?(?:[0-9]{1,19}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")


class Unfit(ValueError):
    """A value that cannot be what its key asks for; the text goes on after the value: ``is no whole number``."""


def is_empty(value: object) -> bool:
    """Whether a value says nothing: null, an empty string, list or table."""
    return any(value == empty and type(value) is type(empty) for empty in EMPTY)


def plain(value: object) -> object:
    """The number or truth value that a string stands for (configurations quote them), else the value itself."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not _NUMERAL.fullmatch(text):
        return value
    return int(text) if re.fullmatch(r"[-+]?[0-9]+", text) else float(text)


def number(value: object) -> float:
    """A finite number."""
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise Unfit("is no number")
    return found


def whole(value: object) -> int:
    """A whole number, also as 4.0."""
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, int | float) or not float(found).is_integer():
        raise Unfit("is no whole number")
    return int(found)


def flag(value: object) -> bool:
    """True or false, also as 1 and 0."""
    found = plain(value)
    if found not in (True, False):
        raise Unfit("is neither true nor false")
    return bool(found)


def text(value: object) -> str:
    """A string; a number is one where it is written without quotes."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unfit("is no text")
    return str(value).strip()


def texts(value: object) -> list[str]:
    """A list of strings; one string is a list of one."""
    return [text(each) for each in value] if isinstance(value, list) else [text(value)]


def sides(value: object) -> tuple[int, int]:
    """Width and height in pixels from 512, "512", "512,768" or [512, 768]."""
    parts = value if isinstance(value, list) else str(value).split(",")
    if not 1 <= len(parts) <= 2:
        raise Unfit('is no size of pictures; write "512,512"')
    try:
        found = [whole(part.strip() if isinstance(part, str) else part) for part in parts]
    except Unfit:
        raise Unfit('is no size of pictures; write "512,512"') from None
    if not all(0 < side <= 65536 for side in found):
        raise Unfit("is no size of pictures; give 32 to 4096 pixels")
    return found[0], found[-1]
