"""Keys that a dialect does not know, each with the one that was probably meant."""

import difflib
from collections.abc import Mapping, Sequence

from loraruner.importers.keys import Key
from loraruner.importers.verdicts import REFUSED
from loraruner.spec.faults import pointer
from loraruner.spec.hints import FOREIGN, LONGEST_KEY

MAX_TOLD = 100
MIN_PART = 4  # shorter parts of a name (lr, id) say too little


def problems(unknown: Sequence[tuple[str, str]], keys: Mapping[str, Key], inner: Mapping[str, Key]) -> list[str]:
    """One sentence for each unknown key, given by the table that it stands in and its name, in the file's order.

    ``keys`` are what the top level knows, ``inner`` what the tables of a dataset configuration know.
    """
    told = [_problem(place, key, inner if place else keys) for place, key in unknown[:MAX_TOLD]]
    return told if len(told) == len(unknown) else [*told, f"and {len(unknown) - MAX_TOLD} more unknown keys"]


def _problem(place: str, key: str, keys: Mapping[str, Key]) -> str:
    name = pointer((key,)).removeprefix("$").lstrip(".")
    where = f" in [{place}]" if place else ""
    if meant := _meant(key, keys):
        return f"unknown key {name}{where} - did you mean {meant}?"
    return f"unknown key {name}{where}: no setting of this trainer; remove it (docs/import.md lists all)"


def _meant(key: str, keys: Mapping[str, Key]) -> str | None:
    """The key of the same place in a job under another trainer's or our own name; else a near one."""
    if len(key) > LONGEST_KEY:
        return None
    name = key.lower().replace("-", "_")
    place = FOREIGN.get(name, name)
    same = next(
        (each for each in keys.values() if place in (each.to, each.to.rpartition(".")[2]) and each.fate != REFUSED),
        None,
    )
    if same:
        return same.name
    near = difflib.get_close_matches(name, keys, n=1, cutoff=0.75)
    if near:
        return keys[near[0]].meant or near[0]
    parts = [each for each in keys if len(name) >= MIN_PART and name in each.split("_")]
    return parts[0] if len(parts) == 1 else None
