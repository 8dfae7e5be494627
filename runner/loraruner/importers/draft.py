"""A job in the making: foreign keys in, places of the job out, a row for each key."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from loraruner.importers.keys import RULED, Key
from loraruner.importers.reading import Source
from loraruner.importers.values import Kind, Unfit, is_empty
from loraruner.importers.verdicts import CHANGED, DROPPED, FILLED, KEPT, LOST, REFUSED, Row, shown

NO_VALUE = "it has no value"


@dataclass(frozen=True)
class Entry:
    """One key of the file: its value, and where it stands (``optimizer.unet_lr``)."""

    value: Any
    place: str


@dataclass
class Flat:
    """A file without its sections: keys, and what was to be said while they were put into one."""

    entries: dict[str, Entry] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)  # the table ("" is the top level), and the key


@dataclass(frozen=True)
class Request:
    """What the user says beside the file."""

    name: str | None = None
    task: str | None = None
    dialect: str | None = None
    repeats: int | None = None
    allow_lost: bool = False
    overrides: tuple[str, ...] = ()
    dataset: Source | None = None
    prompts: Source | None = None


@dataclass
class Draft:
    """Collects the job, the rows and the problems while the rules of a dialect run."""

    entries: Mapping[str, Entry]
    keys: Mapping[str, Key]
    request: Request
    stem: str  # of the file's name: a job must be called something
    dataset: bool = False  # a dataset configuration names the folders
    job: dict[str, Any] = field(default_factory=dict)  # "training.epochs": 10
    rows: list[Row] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)  # by key, so that none is told twice

    def has(self, key: str) -> bool:
        """Whether the file gives ``key`` a value."""
        return key in self.entries and not is_empty(self.entries[key].value)

    def read(self, key: str, kind: Kind, default: Any = None) -> Any:
        """The value of ``key`` as ``kind`` reads it; ``default`` where there is none or it is unfit (a problem)."""
        if not self.has(key):
            return default
        try:
            return kind(self.entries[key].value)
        except Unfit as error:
            self.problem(key, str(error))
            return default

    def take(self, key: str, to: str, kind: Kind, default: Any = None) -> Any:
        """Keep the value of ``key`` at ``to``, else fill ``default`` in where there is one; what it is then."""
        value = self.read(key, kind)
        if value is not None:
            self.keep(key, to, value)
            return value
        if key in self.problems:
            return default
        if key in self.entries:
            self.drop(key)
        if default is not None:
            self.fill(key, to, default)
        return default

    def keep(self, key: str, to: str, value: Any, reason: str = "") -> None:
        """Put ``value`` at ``to``; a reason says that it is another than the file's."""
        self.job[to] = value
        self._row(key, CHANGED if reason else KEPT, reason, to, value)

    def note(self, key: str, to: str, value: Any, reason: str) -> None:
        """Put the file's own value at ``to``, with a word about it."""
        self.job[to] = value
        self._row(key, KEPT, reason, to, value)

    def fill(self, key: str, to: str, value: Any, reason: str = "") -> None:
        """Put what the other trainer takes where ``key`` is not given."""
        self.job[to] = value
        told = reason or f"{key} is not given: the trainer takes {shown(value)}"
        self.rows.append(Row(key, "", FILLED, f"$.{to}", shown(value), told))

    def drop(self, key: str, reason: str = "") -> None:
        """Leave ``key`` out, without an effect on the adapter; nothing where it is not given or unfit."""
        if key not in self.entries or key in self.problems:
            return
        self._row(key, DROPPED, reason if self.has(key) else NO_VALUE)

    def lose(self, key: str, reason: str, to: str = "", value: Any = None) -> None:
        """Leave an effect of ``key`` out; what comes nearest goes to ``to``."""
        if to and value is not None:
            self.job[to] = value
        self._row(key, LOST, reason, to, value)

    def refuse(self, key: str, reason: str, to: str = "") -> None:
        """No job can do what ``key`` asks; ``--set`` of ``to`` overrules."""
        self._row(key, REFUSED, f"{reason} (or --set {to}=...)" if to else reason, to)

    def problem(self, key: str, reason: str) -> None:
        """The value of ``key`` cannot be read; the reason goes on after it: ``is none of a, b``."""
        entry = self.entries[key]
        self.problems[key] = f"{entry.place} = {shown(entry.value)} {reason}"

    def apply(self, key: Key) -> None:
        """What the table says of a key that is no matter of a rule."""
        if key.fate == RULED:
            return
        value = self.entries[key.name].value
        if key.kind is not None:
            found = self.read(key.name, key.kind)
            if found is not None:
                self.note(key.name, key.to, found, key.reason)
            elif key.name not in self.problems:
                self.drop(key.name, NO_VALUE)
        elif key.fate in (LOST, REFUSED) and key.is_neutral(value):
            self._row(key.name, DROPPED, NO_VALUE if is_empty(value) else f"{shown(value)} has no effect")
        elif key.fate == REFUSED:
            self.refuse(key.name, key.reason, key.to)
        else:
            self._row(key.name, key.fate, key.reason)

    def overrule(self, paths: frozenset[str]) -> None:
        """Rows whose place in the job ``--set`` fills are changes that the user chose."""
        for index, row in enumerate(self.rows):
            place = row.to.removeprefix("$.")
            if place and place in paths:
                self.rows[index] = replace(row, verdict=CHANGED, becomes="", reason=f"--set {place} goes before it")

    def _row(self, key: str, verdict: str, reason: str, to: str = "", value: Any = None) -> None:
        entry = self.entries.get(key)
        secret = key in self.keys and self.keys[key].secret
        given = shown(entry.value, secret) if entry is not None else ""
        becomes = shown(value) if to and value is not None else ""
        self.rows.append(Row(entry.place if entry else key, given, verdict, f"$.{to}" if to else "", becomes, reason))
