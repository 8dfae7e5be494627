"""What a version says about itself (``schemas/manifest.schema.json``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loraruner.families.base import Artifact, Runtime, Trials
from loraruner.spec import Spec, to_document

if TYPE_CHECKING:
    from loraruner.samples import Opened
    from loraruner.training.attempt import Trained

FORMAT = 1


@dataclass(frozen=True)
class Made:
    """Everything that the stages brought forth."""

    opened: Opened
    runtime: Runtime
    trained: Trained
    artifacts: Sequence[Artifact]
    trials: Trials


def build_manifest(spec: Spec, made: Made, run: Mapping[str, Any], seconds: Mapping[str, float]) -> dict[str, Any]:
    """The manifest without ``version`` and ``files``, which publishing adds.

    ``run``: run_id, attempts, data_digest, software, hardware, peak_memory, notifications. ``seconds``: by stage, of
    this attempt; ``training`` counts the steps of all attempts.
    """
    progress, opened = made.trained.progress, made.opened
    return {
        "format": FORMAT,
        "name": spec.name,
        "run_id": run["run_id"],
        "task": spec.task,
        "status": "candidate",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "base_model": {"uri": spec.model.base, "sha256": opened.base.digest},
        "data": {"uri": spec.data.uri, "digest": run["data_digest"], **_data(spec, opened)},
        "job": to_document(spec),
        "resolved": asdict(made.runtime),
        "adapters": [asdict(artifact) for artifact in made.artifacts],
        "parameters": made.trained.num_parameters,
        "metrics": _metrics(made),
        "steps": progress.step,
        "epochs": progress.epoch + 1,
        "samples_seen": progress.samples_seen,
        "seconds": {key: round(value, 3) for key, value in {**seconds, "training": progress.train_s}.items()},
        "gpu_seconds": round(progress.train_s, 3) if made.runtime.device == "cuda" else 0.0,
        "peak_memory": run["peak_memory"],
        "attempts": run["attempts"],
        "monitor": dict(made.trained.monitor),
        "resumed_from_step": made.trained.resumed_step,
        "software": run["software"],
        "hardware": run["hardware"],
        "labels": spec.labels,
        "notifications": run["notifications"],
    }


def _data(spec: Spec, opened: Opened) -> dict[str, Any]:
    """What became of the samples, and what is known of them."""
    known = opened.examined
    found = known.quality
    return {
        "used": len(opened.samples.train),
        "held_out": len(opened.samples.evaluation),
        "skipped": [asdict(bad) for bad in opened.left_out],
        "license": spec.data.license,
        "license_files": list(known.licences),
        "captioned": known.captioned.facts if known.captioned else None,
        "quality": {"checked": found.num_samples, "findings": found.counts()} if found else None,
        "review": known.review.facts if known.review else None,
    }


def _metrics(made: Made) -> dict[str, Any]:
    progress = made.trained.progress
    evaluations, selected = progress.evaluations, progress.selected_step
    return {
        "first_loss": progress.first_loss,
        "last_loss": progress.last_loss,
        "best_loss": progress.best_loss,
        "evaluation_before": evaluations[0] if evaluations else None,
        "evaluation_after": next((each for each in evaluations if each["step"] == selected), None),
        "best_evaluation": progress.best_evaluation,
        "selected_step": selected,
        "samples": dict(made.trials.measures),
        "trials": [asdict(trial) for trial in made.trials.trials],
    }
