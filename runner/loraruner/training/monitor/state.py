"""What the monitor remembers between steps: part of every checkpoint, so that decisions survive a resume."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from loraruner.events import Warned

MAX_WARNINGS = 20  # kept for the manifest, the newest


@dataclass
class Watched:
    """JSON-able. A checkpoint from before a field existed loads with that field's default."""

    num_losses: int = 0
    first_losses: list[float] = field(default_factory=list)  # of up to ``losses.WINDOW`` steps
    recent_losses: list[float] = field(default_factory=list)  # likewise, the newest
    trend: float = 0.0  # long average of the losses before the recent ones
    smooth: float = 0.0  # the smoothed training loss
    best: float | None = None  # of the loss that a plateau is judged by
    best_step: int = 0  # where it was
    counted_from: int = 0  # where people let a paused run go on
    plateau_told: bool = False
    paused_by: str | None = None  # digest of the ``monitor`` that paused the run at this very step
    paused_why: str = ""
    held_out: float | None = None  # the last measurement
    between_sum: float = 0.0  # of the training losses since then
    between_steps: int = 0
    between_mean: float | None = None  # of those before it
    rises: int = 0  # measurements in a row that rose while the training loss fell
    overfitting_told: bool = False
    epoch_sum: float = 0.0  # of the losses of the epoch under way
    epoch_steps: int = 0
    epoch_s: float = 0.0
    warnings: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Watched":
        """What a checkpoint says; fields that it does not know have their defaults."""
        names = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in document.items() if name in names})

    def note(self, warning: Warned) -> None:
        """Keep a warning for the manifest."""
        kept = {"kind": warning.kind, "step": warning.step, "text": warning.text}
        self.warnings = [*self.warnings, kept][-MAX_WARNINGS:]
