"""Which layers the names of ``$.lora.targets`` mean: module paths and their endings, as PEFT matches them. No torch."""

from collections.abc import Iterable, Sequence
from typing import NoReturn

from loraruner.errors import SpecInvalid


def leaf(path: str) -> str:
    """The last name of a path."""
    return path.rpartition(".")[2]


def matches(path: str, name: str) -> bool:
    """Whether ``name`` is ``path`` or an ending of it that begins at a dot."""
    return path == name or path.endswith("." + name)


def named(paths: Sequence[str], targets: str | Sequence[str]) -> list[str]:
    """Those of ``paths`` that one of ``targets`` matches, in their order; SpecInvalid when one matches nothing."""
    names = [targets] if isinstance(targets, str) else list(targets)
    for position, name in enumerate(names):
        if not any(matches(path, name) for path in paths):
            matches_nothing(f"$.lora.targets[{position}]", name, paths)
    return [path for path in paths if any(matches(path, name) for name in names)]


def shortest_names(paths: Iterable[str], every: Iterable[str]) -> list[str]:
    """Names whose match selects exactly ``paths`` among ``every`` module's path; ``paths`` themselves where none do."""
    wanted = sorted(paths)
    names = sorted({leaf(path) for path in wanted})
    found = sorted(path for path in every if any(matches(path, name) for name in names))
    return names if found == wanted else wanted


def matches_nothing(place: str, name: str, paths: Iterable[str]) -> NoReturn:
    """Raise SpecInvalid for ``name`` at the job's JSON path ``place``; it tells what ``paths`` are called."""
    known = ", ".join(sorted({leaf(path) for path in paths}))
    raise SpecInvalid(f"{place}: {name!r} matches no linear layer of the base model; it has {known}")
