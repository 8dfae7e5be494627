"""What roll-backs leave in the store, and where they go in a run that people let go on, or that begins elsewhere."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from loraruner.errors import Preempted
from tests.support.tiny_training import KEYS, TinyRun
from tests.training.test_rollback import STEPS, fragile, once, rolling, state, warnings


@pytest.mark.parametrize("stop", [None, STEPS - 1, STEPS])
def test_one_checkpoint_is_left_where_one_is_to_be_kept(tmp_path: Path, stop: int | None) -> None:
    """While training also what a roll-back may need; at the end the last alone, of whichever attempt."""
    run, most = TinyRun(tmp_path), []
    run.ship = lambda workspace: most.append(len(run.checkpoints()))
    spec = rolling(checkpoint__keep=1)
    if stop:
        with pytest.raises(Preempted):
            run.attempt(spec, fragile(), stop_after=stop)
        assert len(run.checkpoints()) > 1  # its last measurement is still to come
    run.attempt(spec, fragile())
    assert 1 < max(most) <= 3 and run.checkpoints() == [f"e000{1 + bool(stop)}-r02-step-0000{STEPS}"]


def test_the_leave_to_go_on_outlives_a_rollback(tmp_path: Path) -> None:
    """Back before the step where people let the run go on, it is not let go on a second time."""
    run = TinyRun(tmp_path)
    with pytest.raises(Preempted):
        run.attempt(rolling(), once(), stop_after=3)
    with pytest.raises(Preempted):
        run.attempt(rolling(), once(), goes_on=True, stop_after=4)
    newest = state(run, run.checkpoints()[-1])
    assert (newest["step"], newest["continued"], newest["watched"]["counted_from"]) == (4, 1, 3)
    trained = run.attempt(rolling(), once())
    assert (trained.progress.rollbacks, trained.progress.continued) == (1, 1)
    assert trained.progress.watched.counted_from == 3 and [event.step for event in warnings(run)] == [2]


def test_a_run_that_begins_elsewhere_goes_back_there(tmp_path: Path) -> None:
    """The checkpoint that ``checkpoint.resume`` names is committed as the run's own first one."""
    first, second = TinyRun(tmp_path / "first"), TinyRun(tmp_path / "second")
    with pytest.raises(Preempted):
        first.attempt(rolling(), fragile(), stop_after=3)
    place = first.folder / "store" / KEYS.checkpoints / first.checkpoints()[-1]
    weights = load_file(place / "adapter.safetensors")
    spec = rolling(checkpoint__resume=str(place), checkpoint__every_steps=100)
    kept = second.folder / "store" / KEYS.checkpoints / "e0001-r02-step-000003/adapter.safetensors"
    found: list[dict[str, Tensor]] = []
    second.ship = lambda workspace: found.extend([load_file(kept)] if kept.exists() else [])
    assert second.attempt(spec, fragile()).progress.rollbacks == 2
    assert [event.step for event in warnings(second)] == [3, 3]
    assert found and all(torch.equal(value, weights[name]) for each in found for name, value in each.items())
