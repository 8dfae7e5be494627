"""Which custom field of a task shows which fact."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loraruner.clients.clickup_records import TEXT_TYPES, Field
from loraruner.errors import SpecInvalid
from loraruner.notifiers.base import FACTS

_LOG = logging.getLogger(__name__)

# Fact -> titles that people give it, in British and American spelling; the first one that the list has is filled.
USUAL: Mapping[str, tuple[str, ...]] = {
    "version_address": ("Model version", "Version", "Model version address", "LoRA version"),
    "purpose": ("Usage", "Usage purpose", "Purpose", "Use"),
    "license": ("License scope", "Licence scope", "License", "Licence"),
    "expires": ("Valid until", "Expires", "Expiry date", "Expiration date", "Expiry", "Expiration"),
    "duration_min": ("Duration", "Duration (min)", "Duration (minutes)", "Training duration"),
    "peak_memory_gb": ("Peak memory", "Peak memory (GB)", "Peak memory GB", "Peak GPU memory (GB)"),
}


def named(wanted: Mapping[str, str], fields: Sequence[Field], facts: Mapping[str, Any]) -> Iterator[tuple[Field, Any]]:
    """Fields that the job names, by title, with their values. What can't be written raises when it is its turn.

    Raises SpecInvalid (64) after all others, naming every field that the list lacks or that does not take its value.
    """
    by_title, problems = _by_title(fields), []
    for title, fact in wanted.items():
        field = by_title.get(_folded(title))
        if field is None:
            known = ", ".join(repr(each.name) for each in fields[:20]) or "none"
            problems.append(f"the list has no custom field {title!r}, perhaps it was renamed (it has {known})")
        elif facts.get(fact) is not None:
            try:
                yield field, encoded(field, fact, facts[fact])
            except SpecInvalid as error:
                problems.append(f"the custom field {error}")
    if problems:
        raise SpecInvalid("; ".join(problems))


def usual(fields: Sequence[Field], facts: Mapping[str, Any]) -> Iterator[tuple[Field, Any]]:
    """The usual fields, as far as the list has them and they take the value."""
    by_title = _by_title(fields)
    for fact, titles in USUAL.items():
        field = next((by_title[_folded(title)] for title in titles if _folded(title) in by_title), None)
        if field is not None and facts.get(fact) is not None:
            try:
                yield field, encoded(field, fact, facts[fact])
            except SpecInvalid as error:
                _LOG.info("not filled in: %s", error)


def encoded(field: Field, fact: str, value: Any) -> Any:
    """A fact as the field takes it; raises SpecInvalid (64)."""
    if fact == "version_address" and field.type == "url":
        value = str(value).partition(": ")[2] or value
    if isinstance(value, bool) and field.type != "checkbox":
        value = "yes" if value else "no"
    if isinstance(value, float) and field.type in TEXT_TYPES:
        value = f"{value:g}"
    if FACTS.get(fact, ("", ""))[0] == "date" and field.type == "date":
        value = str(value)[:10]
    return field.encode(value)


def _by_title(fields: Sequence[Field]) -> dict[str, Field]:
    """The first field of each title."""
    return {_folded(field.name): field for field in reversed(fields)}


def _folded(title: str) -> str:
    return " ".join(title.casefold().split())
