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
