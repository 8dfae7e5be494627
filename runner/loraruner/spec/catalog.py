"""The schema as data: every key of a job with its place, for checks, hints and the documentation."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from loraruner.spec.faults import pointer

RESOURCES = "loraruner.schemas"


@dataclass(frozen=True)
class Key:
    """One key of a job. ``task`` is set where the key exists for that task alone."""

    path: tuple[str, ...]
    schema: Mapping[str, Any]
    required: bool
    task: str | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path[-1]

    @property
    def pointer(self) -> str:
        """The place as faults name it, ``$.training.epochs``."""
        return pointer(self.path)


def schema_text() -> str:
    """The JSON Schema of a job, as it ships."""
    return (files(RESOURCES) / "job.schema.json").read_text(encoding="utf-8")


def starter_text(task: str) -> str:
    """The starter job of a task, as it ships."""
    return (files(RESOURCES) / "examples" / f"{task}.json").read_text(encoding="utf-8")


@cache
def schema() -> Mapping[str, Any]:
    """The parsed schema (shared: do not change it)."""
    parsed: dict[str, Any] = json.loads(schema_text())
    return parsed


@cache
def all_keys() -> tuple[Key, ...]:
    """Every key, sections before what is in them, in the schema's order."""
    return tuple(_walk(schema(), (), None))


def options_of(task: str) -> Mapping[str, Any]:
    """The schema of ``options`` for one task."""
    return next(branch["then"]["properties"]["options"] for branch in schema()["allOf"] if _task_of(branch) == task)


def notices() -> Mapping[str, Mapping[str, Any]]:
    """The schema of an entry of ``notify``, by its kind."""
    branches = schema()["properties"]["notify"]["items"]["allOf"]
    return {branch["if"]["properties"]["kind"]["const"]: branch["then"] for branch in branches}


def _walk(node: Mapping[str, Any], path: tuple[str, ...], task: str | None) -> Iterator[Key]:
    for name, child in node.get("properties", {}).items():
        yield Key((*path, name), child, name in node.get("required", ()), task)
        yield from _walk(child, (*path, name), task)
        if not path and name == "options":
            for branch in node["allOf"]:
                yield from _walk(branch["then"]["properties"]["options"], (name,), _task_of(branch))


def _task_of(branch: Mapping[str, Any]) -> str:
    return str(branch["if"]["properties"]["task"]["const"])
