"""Roll-backs from a loss that is finite and has left its trend."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from loraruner.errors import Diverged, Preempted
from loraruner.events import Warned
from loraruner.families.base import BatchLoss, Draw
from tests.support.tiny_training import KEYS, TinyRun, TinyTrainable, job


class Leaping(TinyTrainable):
    """From step 51 on the loss is 50 times itself: a number, and none that a training comes back from."""

    def collate(self, indices: Any, draw: Draw, part: str = "train") -> tuple[Tensor, Tensor, Tensor]:
        self.factor = 50.0 if draw.step >= 50 else 1.0
        return super().collate(indices, draw, part)

    def loss(self, batch: tuple[Tensor, Tensor, Tensor]) -> BatchLoss:
        found = super().loss(batch)
        return BatchLoss(found.total * self.factor, found.weight)


@pytest.mark.parametrize("stops", [(), (52, 54)])
def test_a_spike_is_a_divergence(tmp_path: Path, stops: tuple[int, ...]) -> None:
    """Back to the newest checkpoint that was calm - not to step 54, amid the leap - also of a run that was stopped."""
    run = TinyRun(tmp_path)
    spec = job(
        training__max_steps=70,
        training__batch_size=7,
        training__learning_rate=0.02,
        checkpoint__every_steps=2,
        monitor__max_rollbacks=1,
    )
    for step in stops:
        with pytest.raises(Preempted):
            run.attempt(spec, Leaping(), stop_after=step)
    with pytest.raises(Diverged, match=r"^the loss of the 20 steps up to step 5\d is .* after 1 roll-back \("):
        run.attempt(spec, Leaping())
    [warning] = (event for event in run.events if isinstance(event, Warned))
    assert warning.step == 52 and "more than 3 times its trend" in warning.text
    assert run.checkpoints()[-1] == f"e000{len(stops) + 1}-r01-step-000058"
    state = json.loads((run.folder / "store" / KEYS.checkpoints / run.checkpoints()[-1] / "state.json").read_text())
    assert (state["progress"]["anchor"], state["progress"]["candidate_step"]) == ([1, 52], None)
