"""What ``train`` answers: one JSON object on stdout."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RunResult:
    """The outcome of a finished run. ``already_published`` tells a no-op from a fresh publication.

    ``selected_step`` is the step whose weights are published, ``measures`` what was measured on the samples.
    """

    name: str
    run_id: str
    version: str
    uri: str
    already_published: bool
    attempts: int
    steps: int
    first_loss: float | None
    last_loss: float | None
    evaluation_before: float | None
    evaluation_after: float | None
    selected_step: int
    measures: Mapping[str, float]
    files: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def of_manifest(document: Mapping[str, Any], uri: str, *, already: bool) -> RunResult:
    """What to answer for a version that exists at ``uri``; ``already``: it did before."""
    metrics = document["metrics"]
    before, after = metrics["evaluation_before"] or {}, metrics["evaluation_after"] or {}
    return RunResult(
        name=document["name"],
        run_id=document["run_id"],
        version=document["version"],
        uri=uri,
        already_published=already,
        attempts=document["attempts"],
        steps=document["steps"],
        first_loss=metrics["first_loss"],
        last_loss=metrics["last_loss"],
        evaluation_before=before.get("loss"),
        evaluation_after=after.get("loss"),
        selected_step=metrics.get("selected_step", document["steps"]),
        measures=metrics["samples"],
        files=tuple(entry["name"] for entry in document["files"]),
    )
