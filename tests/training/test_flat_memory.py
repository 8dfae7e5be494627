"""Host memory of a long training stays flat: nothing is kept per step, per checkpoint or per evaluation."""

from pathlib import Path
from typing import Any

import pytest

from loraruner.events import Event, StepDone
from tests.support.held_memory import growth_bytes, held_bytes
from tests.support.tiny_training import TinyRun, TinyTrainable, job

STEPS, WARM_UP, EVERY = 4000, 1000, 100
LEAK_BYTES = 4096  # a step
MOST_BYTES = 5 << 20  # a leak of 4 KiB a step holds 8.8 MiB more from the first quarter to the last


class Sampled(list[Event]):
    """Takes events, keeps none, and looks at the memory every ``EVERY`` steps; ``leak`` holds on to bytes a step."""

    def __init__(self, leak_bytes: int = 0) -> None:
        super().__init__()
        self.held: list[int] = []
        self._leaked: list[bytes] = []
        self._leak_bytes = leak_bytes

    def append(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self._leaked.append(bytes([event.step % 255 + 1]) * self._leak_bytes)
            if event.step > WARM_UP and event.step % EVERY == 0:
                self.held.append(held_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("leak_bytes", [0, LEAK_BYTES])
def test_memory_stays_flat(tmp_path: Path, leak_bytes: int) -> None:
    """With metrics, checkpoints, uploads and evaluation nothing grows; a planted leak of 4 KiB a step is seen."""
    sampled = Sampled(leak_bytes)
    run = TinyRun(tmp_path, events=sampled)
    every: dict[str, Any] = {"evaluation__every_steps": 100, "checkpoint__every_steps": 50}
    run.attempt(job(training__max_steps=STEPS, training__batch_size=2, **every), TinyTrainable(num_evaluation=2))
    assert len(sampled.held) == (STEPS - WARM_UP) // EVERY
    assert (growth_bytes(sampled.held) > MOST_BYTES) == bool(leak_bytes), sampled.held
