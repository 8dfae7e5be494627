"""The loop's arithmetic: accumulation, evaluation, leaving in order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from loraruner.adapters.inject import lora_tensors
from loraruner.errors import Diverged, ExitCode, Preempted
from loraruner.events import Evaluated, StepDone
from loraruner.training.evaluate import evaluate
from loraruner.training.state import Live, Snapshot
from tests.support.tiny_training import KEYS, TinyRun, TinyTrainable, assert_same_bits, job


def trained(folder: Path, weights: Sequence[float], **overrides: int) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Weights and losses after two epochs of 11 samples."""
    run, trainable = TinyRun(folder), TinyTrainable(num_samples=11, weights=weights)
    changes = {f"training__{name}": value for name, value in overrides.items()}
    run.attempt(job(training__epochs=2, training__learning_rate=0.05, **changes), trainable)
    return lora_tensors(trainable.module), list(run.losses().values())


@pytest.mark.parametrize("weights", [(), tuple(range(1, 12))], ids=["equal weights", "token counts"])
def test_accumulation_equals_a_large_batch(tmp_path: Path, weights: Sequence[float]) -> None:
    """8 at once and 8 x 1 accumulated give the same losses and adapter, also in the short last window of an epoch."""
    large, losses = trained(tmp_path / "a", weights, batch_size=8)
    small, again = trained(tmp_path / "b", weights, batch_size=1, gradient_accumulation_steps=8)
    assert len(losses) == 4
    assert again == pytest.approx(losses, abs=1e-6)
    for name, tensor in large.items():
        torch.testing.assert_close(small[name], tensor, atol=1e-6, rtol=0)


def test_the_loss_is_a_weighted_mean(tmp_path: Path) -> None:
    """A sample of weight 0 has no part in the loss: with all others at weight 1 it is the mean without it."""
    one, first = trained(tmp_path / "a", [1.0] * 10 + [0.0], batch_size=11)
    two, second = trained(tmp_path / "b", [5.0] * 10 + [0.0], batch_size=11)
    assert second == pytest.approx(first, rel=1e-6)
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)


def test_evaluation_does_not_change_training(tmp_path: Path) -> None:
    """With dropout on, a run that evaluates at every second step computes the bits of one that never does."""
    silent, watched = TinyRun(tmp_path / "a"), TinyRun(tmp_path / "b")
    silent.attempt(job(training__max_steps=5), TinyTrainable(dropout=0.5))
    job_with = job(training__max_steps=5, evaluation__every_steps=2)
    progress = watched.attempt(job_with, TinyTrainable(dropout=0.5, num_evaluation=3)).progress
    assert_same_bits(silent, watched)
    assert [entry["step"] for entry in progress.evaluations] == [0, 2, 4, 5]
    assert [event.step for event in watched.events if isinstance(event, Evaluated)] == [0, 2, 4, 5]


def test_evaluation_is_the_same_each_time() -> None:
    """Dropout is off, noise fixed, batches of any size: the same weights have the same held-out loss."""
    trainable = TinyTrainable(dropout=0.5, num_evaluation=5)
    state = torch.get_rng_state()
    first = evaluate(trainable, seed=1, batch_size=2)
    assert evaluate(trainable, seed=1, batch_size=2) == first
    assert evaluate(trainable, seed=1, batch_size=5) == pytest.approx(first)
    assert evaluate(trainable, seed=2, batch_size=2) != first
    assert torch.equal(torch.get_rng_state(), state) and trainable.module.training


def test_checkpoints_by_the_clock_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that saves after every step, because the clock says so, computes the same bits."""
    plain, hurried = TinyRun(tmp_path / "a"), TinyRun(tmp_path / "b")
    steps = {"training__max_steps": 5, "checkpoint__keep": 9}
    plain.attempt(job(**steps, checkpoint__every_s=0), TinyTrainable(dropout=0.5))
    ticks = iter(range(0, 10**6, 1000))
    monkeypatch.setattr("loraruner.training.loop.time.monotonic", lambda: float(next(ticks)))
    saved, snapshot = [], Live.snapshot

    def noted(self: Live, identity: dict[str, Any]) -> Snapshot:
        saved.append(self.progress.step)
        return snapshot(self, identity)

    monkeypatch.setattr(Live, "snapshot", noted)
    hurried.attempt(job(**steps, checkpoint__every_s=180), TinyTrainable(dropout=0.5))
    assert saved == [0, 1, 2, 3, 4, 5]  # 0: the initial state, kept in memory for a roll-back
    assert_same_bits(plain, hurried)
    assert plain.checkpoints()[-1] == "e0001-step-000005"
    assert hurried.checkpoints()[-1] == "e0001-step-000005"


@pytest.mark.parametrize(("rollbacks", "newest"), [(0, "e0001-step-000002"), (2, "e0001-r02-step-000002")])
def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path, rollbacks: int, newest: str) -> None:
    """Step 4 always diverges: 79 after the roll-backs, step 2 stays the newest, its weights are left for people."""
    run = TinyRun(tmp_path)
    again = r", also after 2 roll-backs \(learning rate x 0.25\)" if rollbacks else ""
    told = rf"^the loss in step 4 is nan{again}; nothing is published; lower \$\.training\.learning_rate"
    steps = job(training__max_steps=9, checkpoint__every_steps=2, monitor__max_rollbacks=rollbacks)
    with pytest.raises(Diverged, match=told) as caught:
        run.attempt(steps, TinyTrainable(nan_from_step=3))
    assert caught.value.code == ExitCode.DIVERGED
    assert run.checkpoints()[-1] == newest
    kept = (tmp_path / "store" / KEYS.adapter / "adapter.safetensors").read_bytes()
    assert kept == (tmp_path / "store" / KEYS.checkpoints / newest / "adapter.safetensors").read_bytes()


def test_a_held_out_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    """NaN on held-out samples is divergence too, and never reaches a checkpoint or a manifest."""
    run = TinyRun(tmp_path)
    with pytest.raises(Diverged, match="held-out loss after step 0 is nan"):
        run.attempt(job(training__max_steps=2), TinyTrainable(num_evaluation=2, nan_evaluation=True))
    assert run.checkpoints() == []


def test_a_signal_finishes_the_step(tmp_path: Path) -> None:
    """A stop that comes in step 3 lets it end, commits it, and raises 85."""
    run = TinyRun(tmp_path)
    with pytest.raises(Preempted, match="SIGTERM received") as caught:
        run.attempt(job(training__max_steps=9, checkpoint__every_steps=3), TinyTrainable(), stop_after=3)
    assert caught.value.code == ExitCode.PREEMPTED
    assert run.checkpoints()[-1] == "e0001-step-000003"
    assert [event.step for event in run.events if isinstance(event, StepDone)] == [1, 2, 3]
