"""The facts of a run, by the names in ``base.FACTS``: what fields, columns and events show."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from loraruner.errors import ExitCode
from loraruner.notifiers.base import RunFacts

MODEL_TYPES: Mapping[str, str] = {
    "text-to-image": "SD LoRA",
    "text-generation": "LLM LoRA",
    "automatic-speech-recognition": "Whisper LoRA",
}
LABELS = ("customer", "expires", "license", "purpose", "team")
MAX_CHARACTERS = 1000  # of a text


def of_job(run: RunFacts) -> dict[str, Any]:
    """What is known before anything has happened."""
    job, labels = run.job, run.job.get("labels") or {}
    return told(
        {
            **{name: labels.get(name) for name in LABELS},
            "base_model": job["model"]["base"],
            "data": job["data"]["uri"],
            "data_license": job["data"].get("license"),
            "model_type": MODEL_TYPES[job["task"]],
            "name": run.name,
            "project": labels.get("project") or run.name,
            "run_id": run.run_id,
            "started": run.started,
            "state": "running",
            "task": job["task"],
        }
    )


def of_version(run: RunFacts, manifest: Mapping[str, Any], address: str, ended: str) -> dict[str, Any]:
    """What is known of a published version at ``address``; ``ended`` is ISO 8601."""
    metrics, evaluation = manifest["metrics"], manifest["metrics"]["evaluation_after"] or {}
    made = {
        "address": address,
        "attempts": manifest["attempts"],
        "created": manifest["created"],
        "duration_min": minutes(run.started, ended),
        "ended": ended,
        "evaluation_loss": evaluation.get("loss"),
        "gpu_hours": round(manifest["gpu_seconds"] / 3600, 3),
        "loss": metrics["last_loss"],
        "num_samples": manifest["data"]["used"],
        "peak_memory_gb": gigabytes(manifest["peak_memory"]),
        "state": "published",
        "success": True,
        "training_min": round(manifest["seconds"]["training"] / 60, 1),
        "version": manifest["version"],
        "version_address": f"{manifest['version']}: {address}",
    }
    return of_job(run) | told(made)


def of_failure(run: RunFacts, code: ExitCode, reason: str, ended: str, measured: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a run that ended without a version; ``measured`` holds facts that were known by then."""
    state = "paused" if code is ExitCode.PAUSED else "failed"
    took = minutes(run.started, ended) if run.started else None
    own = {"attempts": run.attempt or None, "duration_min": took, "ended": ended, "reason": reason}
    return of_job(run) | told({**measured, **own, "state": state, "success": False})


def minutes(started: str, ended: str) -> float:
    """Minutes between two ISO 8601 times."""
    return round((datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds() / 60, 1)


def gigabytes(peak: Mapping[str, int]) -> float:
    """The peak of ``host_bytes`` and ``gpu_bytes`` that counts: the GPU's where there is one; in units of 10^9."""
    return round((peak["gpu_bytes"] or peak["host_bytes"]) / 1e9, 1)


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is unknown, or no number that JSON has."""
    found = {}
    for name, value in facts.items():
        if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
            continue
        found[name] = value if isinstance(value, bool | int | float) else str(value)[:MAX_CHARACTERS]
    return found
