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


Event = StageStarted | StepDone | Evaluated
Emit = Callable[[Event], None]
