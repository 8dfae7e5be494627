"""What is wrong with a job: faults, each with its place, value, reason and fix."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from loraruner.errors import SpecInvalid
from loraruner.spec import credentials

SHOWN_CHARACTERS = 60
MAX_FAULTS = 100
HIDDEN = '"***"'

_PLAIN_KEY = re.compile(r"[$A-Za-z_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Fault:
    """One fault. ``value`` is shortened JSON, empty where nothing was given; ``reason`` continues it."""

    pointer: str  # "$.training.epochs"
    value: str
    reason: str
    fix: str

    def __str__(self) -> str:
        told = f"{self.value} {self.reason}" if self.value else self.reason
        return f"{self.pointer}: {told}; {self.fix}"


class JobInvalid(SpecInvalid):
    """The job has faults: all of them, each naming its place (the first ``MAX_FAULTS`` of a hopeless job)."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        lines = [str(fault) for fault in self.faults]
        super().__init__(lines[0] if len(lines) == 1 else "\n".join((f"{len(lines)} faults:", *lines)))


def pointer(path: Sequence[str | int]) -> str:
    """``("sampling", "prompts", 0)`` as ``$.sampling.prompts[0]``; odd keys are quoted, secrets hidden."""
    return "$" + "".join(_segment(key) for key in path)


def _segment(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _PLAIN_KEY.fullmatch(key) and not credentials.find(key) else f"[{shorten(key)}]"


def shorten(value: Any) -> str:
    """A value as JSON for an error message: containers are named, not shown; credentials are hidden."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str) and credentials.find(value):
        return HIDDEN
    text = json.dumps(value, ensure_ascii=not (isinstance(value, str) and value.isprintable()))
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
