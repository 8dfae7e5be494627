"""Custom fields of a ClickUp task, as people see them and as the job's schema wants them."""

import math
from datetime import UTC, datetime
from typing import Any

from loraruner.clients.clickup_records import DAY_SHIFT_S, Field
from loraruner.spec import catalog

MAX_TEXT_CHARACTERS = 10_000
NUMBERS = ("number", "currency", "emoji")
TEXTS = ("text", "short_text", "url", "email", "phone")
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def said(field: Field) -> Any:
    """What a person sees in a custom field: text, number, flag or list of texts; None where it is empty.

    The forms are those of ClickUp's API v2: a drop-down holds the place or the id of an option, labels a list of ids,
    a date milliseconds as text, a number often text.
    """
    raw = field.value
    if raw is None or raw == "" or raw == []:
        return None
    if field.type == "drop_down":
        return _option(field, raw)
    if field.type == "labels" and isinstance(raw, list):
        return [name for key, name in field.options if key in raw] or None
    if field.type == "date":
        return _day(raw)
    if field.type == "checkbox":
        return WORDS.get(str(raw).lower())
    if isinstance(raw, str | int | float) and not isinstance(raw, bool):
        return raw[:MAX_TEXT_CHARACTERS] if isinstance(raw, str) else raw
    return f"a field of the type {field.type[:40]}"


def _option(field: Field, raw: Any) -> str:
    """Name of what was chosen; what names no option is told as it is, for people to see."""
    chosen = str(raw)[:200]
    if chosen in field.places:
        return field.options[field.places.index(chosen)][1]
    return next((name for key, name in field.options if key == chosen), chosen)


def _day(raw: Any) -> str:
    """Milliseconds since 1970 as the day that somebody chose, ``YYYY-MM-DD``; a time of day is not looked at."""
    try:
        return datetime.fromtimestamp(int(str(raw)[:20]) / 1000 + DAY_SHIFT_S, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return str(raw)[:40]


def value(field: Field, key: catalog.Key) -> Any:
    """A field as the schema at ``key`` wants it; raises ValueError that says what it is not, "is no whole number"."""
    kinds, told = kinds_of(key), said(field)
    if field.type not in (*NUMBERS, *TEXTS, "drop_down", "labels", "date", "checkbox"):
        raise ValueError(f"is of the type {field.type[:40]}, which no job can read")
    if "boolean" in kinds and not isinstance(told, list):
        return _flag(told)
    if {"integer", "number"} & kinds and "string" not in kinds:
        return _number(told, whole="number" not in kinds)
    if "array" in kinds and "string" not in kinds:
        lines = told if isinstance(told, list) else str(told).splitlines()
        return [line.strip() for line in lines if line.strip()]
    if isinstance(told, list):
        return ", ".join(told)
    return str(told).strip()


def _flag(told: Any) -> bool:
    found = told if isinstance(told, bool) else WORDS.get(str(told).strip().lower())
    if found is None:
        raise ValueError("is neither yes nor no")
    return found


def _number(told: Any, *, whole: bool) -> int | float:
    try:
        number = float(str(told).strip()[:40])
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (whole and number % 1):
        raise ValueError("is no whole number" if whole else "is no number")
    return int(number) if whole or number == int(number) else number


def kinds_of(key: catalog.Key) -> set[str]:
    """The types that the schema allows at a place."""
    kind = key.schema.get("type")
    return set(kind) if isinstance(kind, list) else {str(kind)}
