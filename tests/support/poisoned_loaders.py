"""``python -m tests.support.poisoned_loaders FINDINGS JOB ...``: jobs in a process where nothing can be unpickled.

Every function that loads a pickle is replaced by one that notes its caller and raises, before anything else is
imported, so that ``from pickle import loads`` gets it too. Then every module of the package is imported, and every JOB
trained. FINDINGS gets one JSON object: ``modules`` imported, ``codes`` of the jobs, ``loads``: who tried what.
Dumping is left alone: it runs nothing.
"""

import json
import pickle
import pkgutil
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

loads: list[str] = []


class _Refused(pickle.Unpickler):
    """An Unpickler, for those that inherit from it, which loads nothing."""

    def load(self) -> NoReturn:
        """Note the caller, and raise."""
        _refuse("pickle.Unpickler.load")


def poisoned(name: str) -> Callable[..., NoReturn]:
    """A function that notes who calls it under ``name``, and raises."""

    def refuse(*arguments: Any, **named: Any) -> NoReturn:
        _refuse(name)

    return refuse


def _refuse(name: str) -> NoReturn:
    frames = [f"{Path(frame.filename).name}:{frame.name}" for frame in traceback.extract_stack()[:-2]]
    loads.append(f"{name} by {' > '.join(frames[-4:])}")
    raise RuntimeError(f"{name} is poisoned")


def poison() -> None:
    """Replace the loaders of pickle, torch and yaml."""
    for module in ("pickle", "_pickle"):
        for name, stand_in in (
            ("load", poisoned(f"{module}.load")),
            ("loads", poisoned(f"{module}.loads")),
            ("Unpickler", _Refused),
        ):
            setattr(import_module(module), name, stand_in)
    for module, name in (
        ("torch", "load"),
        ("torch.serialization", "load"),
        ("torch.jit", "load"),
        ("torch.hub", "load"),
        ("yaml", "load"),
        ("yaml", "unsafe_load"),
        ("yaml", "full_load"),
    ):
        setattr(import_module(module), name, poisoned(f"{module}.{name}"))


def main() -> None:
    """Poison, import everything, train, and write down what was seen."""
    findings, *jobs = sys.argv[1:]
    poison()
    import loraruner

    found = [each.name for each in pkgutil.walk_packages(loraruner.__path__, "loraruner.")]
    modules = [name for name in found if not name.endswith(".__main__")]
    for name in modules:
        import_module(name)
    run = import_module("loraruner.cli").run
    codes = [run(["train", job]) for job in jobs]
    Path(findings).write_text(json.dumps({"modules": modules, "codes": codes, "loads": loads}))


if __name__ == "__main__":
    main()
