"""``--set a.b=c``: one field replaced in the parsed job, before it is checked."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from loraruner.spec import catalog, document
from loraruner.spec.faults import Fault, JobInvalid, pointer, shorten

MAX_PARTS = 8  # no key lies deeper


def apply(job: dict[str, Any], overrides: Iterable[str]) -> None:
    """Change ``job`` by each ``PATH=VALUE``; raises JobInvalid with every override that cannot be applied.

    A value is JSON where it parses as JSON, else a string; ``null`` takes the key out. Keys are not checked
    here: an unknown one is set and the schema reports it.
    """
    faults: list[Fault] = []
    for override in overrides:
        try:
            _apply(job, override)
        except JobInvalid as error:
            faults.extend(error.faults)
    if faults:
        raise JobInvalid(faults)


def _apply(job: dict[str, Any], override: str) -> None:
    dotted, equals, text = override.partition("=")
    path = tuple(dotted.removeprefix("$.").split("."))
    if not equals or not all(path) or len(path) > MAX_PARTS:
        raise _invalid("$", shorten(override), "is no override", "write --set training.epochs=3")
    value = _value(path, text)
    parent = _parent(job, path)
    if value is None and (path[-1] in parent or path in {key.path for key in catalog.all_keys()}):
        parent.pop(path[-1], None)
    else:
        parent[path[-1]] = value


def _value(path: tuple[str, ...], text: str) -> Any:
    try:
        return document.parse(text)
    except json.JSONDecodeError:
        if document.is_plain(text):
            return text
        raise _invalid(pointer(path), "", "holds a control character", "give plain text") from None
    except JobInvalid as error:
        raise JobInvalid(
            replace(fault, pointer=pointer(path) + fault.pointer.removeprefix("$")) for fault in error.faults
        ) from None


def _parent(job: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """The object that holds the last key of ``path``, made where absent."""
    node = job
    for depth, key in enumerate(path[:-1], start=1):
        child = node.setdefault(key, {})
        if child is None:  # "quality": null says the same as no "quality"
            child = node[key] = {}
        if not isinstance(child, dict):
            raise _invalid(
                pointer(path),
                shorten(child),
                f"is what {pointer(path[:depth])} holds",
                "set that key as a whole",
            )
        node = child
    return node


def _invalid(place: str, value: str, reason: str, fix: str) -> JobInvalid:
    return JobInvalid([Fault(place, value, reason, fix)])
