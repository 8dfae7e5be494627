"""Use a published adapter: the same generator that made the version's samples, on other prompts."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from loraruner.families import load_family
from loraruner.families.base import Base, Request
from loraruner.spec import Spec


def infer(spec: Spec, base: Base, adapter: Path, request: Request, *, folder: Path, cache: Path) -> dict[str, Any]:
    """Generate without and with the adapter; files go into ``folder``.

    Raises DataInvalid (65) when ``base`` is not accepted by the version's family.
    """
    family = load_family(spec.task)
    family.check_base(base.path)
    local = family.localize(base, cache / "converted")
    trials = family.generate(spec, local, adapter, request, folder)
    return {
        "name": spec.name,
        "task": spec.task,
        "folder": str(folder),
        "files": list(trials.files),
        "trials": [asdict(trial) for trial in trials.trials],
    }
