"""What a run tells whoever watches it. The pipeline hands one ``emit(event)`` down; stages know nobody else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StageStarted:
    """A stage of the pipeline begins."""

    stage: str


@dataclass(frozen=True)
class StepDone:
    """One optimiser update is done; ``step`` counts from 1."""

    step: int
    total_steps: int
    epoch: int
    loss: float
    learning_rate: float
    step_s: float


@dataclass(frozen=True)
class Evaluated:
    """The held-out loss after ``step`` steps; ``measures`` holds what else was measured, such as ``wer``."""

    step: int
    loss: float
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochDone:
    """All samples were seen once more; ``epoch`` counts from 1, ``loss`` is the mean over its steps.

    ``evaluation_loss`` is the newest one; ``eta_s`` the seconds of training left, at the pace of this epoch.
    """

    epoch: int
    step: int
    total_steps: int
    loss: float
    epoch_s: float
    eta_s: float
    evaluation_loss: float | None = None


@dataclass(frozen=True)
class Warned:
    """The monitor noticed something that people should know; ``kind`` is one of ``WARNINGS``, ``text`` a sentence."""

    kind: str
    text: str
    step: int


WARNINGS = ("plateau", "overfitting", "rollback", "gpu_temperature", "gpu_memory", "gpu_utilization", "stall")

Event = StageStarted | StepDone | Evaluated | EpochDone | Warned
Emit = Callable[[Event], None]
