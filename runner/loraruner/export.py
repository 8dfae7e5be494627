"""Write the adapter into the version folder and prove every file on a fresh base."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loraruner.errors import Diverged
from loraruner.families.base import Artifact, Base, Family
from loraruner.spec import Spec
from loraruner.workspace import Workspace

if TYPE_CHECKING:
    from loraruner.training.attempt import Trained

_LOG = logging.getLogger(__name__)


def export(
    spec: Spec, family: Family, base: Base, trained: Trained, workspace: Workspace, run: Mapping[str, str]
) -> tuple[Artifact, ...]:
    """Export in ``output.formats`` and load each file back.

    ``run`` gives ``run_id``, ``created`` (ISO time of the first attempt) and ``precision``. Raises Diverged (79) for an
    adapter that changes nothing, IntegrityError (74) for a file that differs from the trained module.
    """
    _require_effect(trained)
    if workspace.version.exists():
        shutil.rmtree(workspace.version)
    workspace.version.mkdir(parents=True)
    family.export(spec, base, trained.trainable, workspace.version, _facts(trained, run))
    artifacts = family.verify(spec, base, trained.trainable, workspace.version)
    for artifact in artifacts:
        _LOG.info(
            "%s verified on a fresh base: %d modules, outputs within %.2g",
            artifact.name,
            artifact.num_modules,
            artifact.max_difference,
        )
    return artifacts


def _require_effect(trained: Trained) -> None:
    weights = trained.trainable.module.state_dict()
    if not any(tensor.any().item() for name, tensor in weights.items() if ".lora_B." in name):
        raise Diverged(
            f"training changed nothing in {trained.progress.step} steps (all lora_B are zero); nothing is published; "
            "raise $.training.learning_rate or lower $.training.warmup_steps"
        )


def _facts(trained: Trained, run: Mapping[str, str]) -> dict[str, str]:
    """Header strings that depend on the run: session id and times, the latter as Unix seconds and ISO."""
    finished = datetime.now(UTC)
    return {
        "session_id": str(int(hashlib.sha256(run["run_id"].encode()).hexdigest()[:8], 16)),
        "started_at": str(datetime.fromisoformat(run["created"]).timestamp()),
        "finished_at": str(finished.timestamp()),
        "finished_at_iso": finished.isoformat(timespec="seconds"),
        "steps": str(trained.progress.selected_step),
        "epochs": str(trained.progress.epoch + 1),
        "precision": run["precision"],
    }
