"""What a run tells people, and what somebody who tells them must be able to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Moment = Literal["started", "epoch", "warning", "finished", "failed"]


@dataclass(frozen=True)
class RunFacts:
    """The run that messages are about. ``job`` is the resolved job, ``address`` the output's with the NAME."""

    run_id: str
    attempt: int
    started: str  # ISO 8601, when the first attempt began
    address: str
    job: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the adapter."""
        return str(self.job["name"])


@dataclass(frozen=True)
class Message:
    """One thing to tell. ``id`` is the same in every attempt: what was told once is not told again.

    ``text`` is for people: short paragraphs of plain text, the first line says it all. ``facts`` are the values that
    fields and columns may show, by the names in ``FACTS``; ``data`` is what else the event says, JSON-able.
    ``files``: local files by the words of ``notify.attach``, at the end of a run alone.
    """

    id: str
    moment: Moment
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


class Notifier(Protocol):
    """One who is told. Called from one thread of its own, one message after the other."""

    key: str
    """Names it in the run's records, without a secret: ``clickup:86c2x9k1p``."""

    def send(self, message: Message) -> None:
        """Tell it; sending the same message twice must not show twice, as far as the service can tell.

        Raises the errors of ``loraruner.errors`` or OSError; what they say is logged and counted.
        """
        ...


# What fields and columns can show: name -> (type of the value, what it is). Types: text, number, date (YYYY-MM-DD),
# time (ISO 8601), flag, address.
FACTS: Mapping[str, tuple[str, str]] = {
    "address": ("address", "Address of the version."),
    "attempts": ("number", "Attempts that the run took."),
    "base_model": ("text", "Address of the base model."),
    "created": ("time", "When the version was made."),
    "customer": ("text", "`labels.customer`."),
    "data": ("text", "Address of the data."),
    "data_license": ("text", "`data.license`."),
    "duration_min": ("number", "Minutes from the start of the first attempt to the end."),
    "ended": ("time", "When the run ended."),
    "evaluation_loss": ("number", "Loss on held-out samples of the published weights."),
    "expires": ("date", "`labels.expires`."),
    "gpu_hours": ("number", "Hours of training on a GPU."),
    "license": ("text", "`labels.license`: what the adapter may be used for."),
    "loss": ("number", "Training loss over the last steps."),
    "model_type": ("text", "What was trained, for people: `SD LoRA`, `LLM LoRA`, `Whisper LoRA`."),
    "name": ("text", "Name of the adapter."),
    "num_samples": ("number", "Samples that were trained on."),
    "peak_memory_gb": ("number", "Most memory that was held: of the GPU where there is one, else of the host."),
    "project": ("text", "`labels.project`, else the name of the adapter."),
    "purpose": ("text", "`labels.purpose`."),
    "reason": ("text", "Why the run ended without a version."),
    "run_id": ("text", "The run."),
    "score": ("number", "What customers say; left to people, never written."),
    "started": ("time", "When the first attempt began."),
    "state": ("text", "`running`, `published`, `failed`, `paused`, `preempted`."),
    "success": ("flag", "Whether a version was published."),
    "task": ("text", "`task` of the job."),
    "team": ("text", "`labels.team`."),
    "training_min": ("number", "Minutes of training steps, of all attempts."),
    "version": ("text", "The version."),
    "version_address": ("text", "The version and its address, `3: s3://loras/NAME/versions/3/`."),
}
