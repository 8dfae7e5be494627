"""Which weights are published: the best measurement's or the last, also when the run was interrupted."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from loraruner.adapters.inject import lora_tensors
from loraruner.errors import Diverged, Preempted
from loraruner.events import Evaluated
from loraruner.spec import Spec
from loraruner.training.checkpoints import read_checkpoint, write_checkpoint
from loraruner.training.selection import beats
from loraruner.training.trial import measure
from tests.support.tiny_training import IDENTITY, KEYS, TinyRun, TinyTrainable, assert_same_bits, job

STEPS = 8
EARLY = {0: 0.01, 2: 0.3, 4: 0.1, 6: 0.2, 8: 0.3}  # step 0 is never published, however good the base
LATE = {0: 0.5, 2: 0.4, 4: 0.3, 6: 0.2, 8: 0.1}
Weights = dict[str, Tensor]


def measuring(**overrides: Any) -> Spec:
    """Eight steps, measured after every second one."""
    fields = {"training__max_steps": STEPS, "training__learning_rate": 0.05, "evaluation__every_steps": 2}
    return job(**{**fields, **overrides})


def scripted(script: dict[int, float] = EARLY) -> TinyTrainable:
    """Dropout makes each step depend on the random state."""
    return TinyTrainable(dropout=0.5, num_evaluation=2, script=script)


def same(first: Weights, second: Weights) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def newest(run: TinyRun) -> Path:
    return run.folder / "store" / KEYS.checkpoints / run.checkpoints()[-1]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Weights]:
    """The live weights after each measured step, from runs that end there."""
    found = {}
    for step in range(2, STEPS + 1, 2):
        run = TinyRun(tmp_path_factory.mktemp("weights"))
        with pytest.raises(Preempted):
            run.attempt(measuring(), scripted(), stop_after=step)
        found[step] = load_file(newest(run) / "adapter.safetensors")
    return found


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The run that nothing interrupted, whose best step is 4."""
    run = TinyRun(tmp_path_factory.mktemp("straight"))
    run.attempt(measuring(), scripted())
    return run


@pytest.mark.parametrize(
    ("script", "step"),
    [
        (EARLY, 4),
        ({0: 0.5, 2: 0.1, 4: 0.2, 6: 0.2, 8: 0.2}, 2),
        (LATE, 8),
    ],
)
def test_the_lowest_error_rate_is_published(
    weights: dict[int, Weights],
    tmp_path: Path,
    script: dict[int, float],
    step: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By default, where more than a loss is measured; the last checkpoint still holds the live weights."""
    caplog.set_level("INFO")
    run, trainable = TinyRun(tmp_path), scripted(script)
    trained = run.attempt(measuring(), trainable)
    assert (trained.progress.selected_step, trained.progress.step) == (step, STEPS)
    assert same(lora_tensors(trainable.module), weights[step])
    assert same(load_file(newest(run) / "adapter.safetensors"), weights[STEPS])
    assert f"step {step} is the best so far: wer {script[step]:.4f}" in caplog.text
    told = f"publishing the weights of step {step} (wer {script[step]:.4f}), not of step 8 ({script[8]:.4f})"
    assert (told in caplog.text) == ("publishing the weights" in caplog.text) == (step != STEPS)


@pytest.mark.parametrize(
    ("found", "best", "better"),
    [
        ((0.1, 2.0), None, True),
        ((0.1, 2.0), (0.2, 1.0), True),
        ((0.2, 1.0), (0.1, 2.0), False),
        ((0.1, 1.0), (0.1, 2.0), True),
        ((0.1, 2.0), (0.1, 2.0), False),
        ((0.1, 2.5), (0.1, 2.0), False),
    ],
)
def test_lower_wins_then_the_loss_then_the_earlier(
    found: tuple[float, float], best: tuple[float, float] | None, better: bool
) -> None:
    """Equal error rates go by the loss; of equals in both the first one measured stays."""
    first, second = ({"wer": pair[0], "loss": pair[1]} if pair else None for pair in (found, best))
    assert first is not None
    assert beats(first, second, "wer") is better


def test_equal_error_rates_go_by_the_loss(weights: dict[int, Weights], tmp_path: Path) -> None:
    """A run whose error rate never moves publishes the weights of its lowest held-out loss after step 0."""
    run, trainable = TinyRun(tmp_path), scripted(dict.fromkeys(EARLY, 0.1))
    progress = run.attempt(measuring(), trainable).progress
    lowest = min((each for each in progress.evaluations if each["step"]), key=lambda each: each["loss"])
    assert progress.selected_step == lowest["step"]
    assert same(lora_tensors(trainable.module), weights[int(lowest["step"])])


@pytest.mark.parametrize("select", ["auto", "best", "last"])
def test_where_only_a_loss_is_measured(tmp_path: Path, select: str) -> None:
    """``auto`` and ``last`` publish the last step, ``best`` the lowest held-out loss: far strides make that step 2."""
    run, trainable = TinyRun(tmp_path), TinyTrainable(num_evaluation=2)
    strides = {"training__max_steps": 6, "training__learning_rate": 0.9, "training__lr_scheduler": "constant"}
    progress = run.attempt(measuring(evaluation__select=select, **strides), trainable).progress
    losses = {int(each["step"]): each["loss"] for each in progress.evaluations if each["step"]}
    assert min(losses, key=lambda step: losses[step]) == 2
    assert progress.selected_step == (2 if select == "best" else 6)
    assert same(lora_tensors(trainable.module), load_file(newest(run) / "adapter.safetensors")) == (select != "best")


def test_last_ignores_the_error_rates(weights: dict[int, Weights], tmp_path: Path) -> None:
    """``select: last`` measures and records, keeps no weights beside, and publishes those of the last step."""
    run, trainable = TinyRun(tmp_path), scripted()
    progress = run.attempt(measuring(evaluation__select="last"), trainable).progress
    assert [each["wer"] for each in progress.evaluations] == list(EARLY.values())
    assert progress.selected_step == STEPS and same(lora_tensors(trainable.module), weights[STEPS])
    assert [name for name in run.final() if name.startswith("best.")] == []


def test_nothing_held_out_keeps_nothing(tmp_path: Path) -> None:
    """Without held-out samples nothing is measured, and the last step is published, whatever is asked for."""
    run, trainable = TinyRun(tmp_path), TinyTrainable(script=EARLY)
    progress = run.attempt(measuring(evaluation__select="best"), trainable).progress
    assert (progress.selected_step, progress.evaluations) == (STEPS, [])
    assert [name for name in run.final() if name.startswith("best.")] == []


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_resume_publishes_the_same_weights(
    straight: TinyRun, weights: dict[int, Weights], tmp_path: Path, step: int
) -> None:
    """Stopped before, at or after the best step, or after the last, and resumed with an empty workspace."""
    run, trainable = TinyRun(tmp_path), scripted()
    with pytest.raises(Preempted):
        run.attempt(measuring(), scripted(), stop_after=step)
    trained = run.attempt(measuring(), trainable)
    assert (trained.resumed_step, trained.progress.selected_step) == (step, 4)
    assert same(lora_tensors(trainable.module), weights[4])
    assert run.evaluations == straight.evaluations
    assert_same_bits(straight, run)


@pytest.mark.parametrize(("step", "script", "best"), [(0, EARLY, 4), (4, EARLY, 4), (8, EARLY, 4), (8, LATE, 8)])
def test_a_signal_while_measuring(
    weights: dict[int, Weights], tmp_path: Path, step: int, script: dict[int, float], best: int
) -> None:
    """The measurement under way is dropped, loss and all, and made after the resume."""
    run, trainable = TinyRun(tmp_path), scripted(script)
    with pytest.raises(Preempted):
        run.attempt(measuring(), scripted(script), stop_measuring=step)
    state = json.loads((newest(run) / "state.json").read_text())
    assert [each["step"] for each in state["progress"]["evaluations"]] == list(range(0, step, 2))
    assert run.attempt(measuring(), trainable).progress.selected_step == best
    assert [each["wer"] for each in run.evaluations] == list(script.values())
    assert same(lora_tensors(trainable.module), weights[best])


def test_a_finished_training_selects_again(weights: dict[int, Weights], tmp_path: Path) -> None:
    """A run that ended after its last checkpoint, before it was published, comes to the same weights untrained."""
    run, trainable = TinyRun(tmp_path), scripted()
    run.attempt(measuring(), scripted())
    before = run.checkpoints()
    trained = run.attempt(measuring(), trainable)
    assert (trained.progress.selected_step, run.checkpoints()) == (4, before)
    assert same(lora_tensors(trainable.module), weights[4])


def test_a_checkpoint_from_before_weights_were_kept(tmp_path: Path) -> None:
    """One that names no selected step and holds no best weights loads; measurements from then on are compared."""
    run = TinyRun(tmp_path)
    with pytest.raises(Preempted):
        run.attempt(measuring(evaluation__select="last"), scripted(), stop_after=5)
    snapshot = read_checkpoint(newest(run))
    del snapshot.state["progress"]["selected_step"]
    write_checkpoint(newest(run), snapshot)
    assert run.attempt(measuring(), scripted()).progress.selected_step == 6


@pytest.mark.parametrize(("identity", "step"), [(IDENTITY, 4), ({**IDENTITY, "fingerprint": "changed"}, 8)])
def test_the_best_of_another_run(
    weights: dict[int, Weights], tmp_path: Path, identity: dict[str, str], step: int
) -> None:
    """A checkpoint of the same job brings its best along; one that was measured on other clips does not compare."""
    first = TinyRun(tmp_path / "first")
    with pytest.raises(Preempted):
        first.attempt(measuring(), scripted(), stop_after=5)
    run, trainable = TinyRun(tmp_path / "second"), scripted({6: 0.3, 8: 0.2})
    trained = run.attempt(measuring(checkpoint__resume=str(newest(first))), trainable, identity=identity)
    assert trained.progress.selected_step == step
    assert same(lora_tensors(trainable.module), weights[step])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_error_rate_that_is_not_finite_ends_the_run(tmp_path: Path, value: float) -> None:
    """A measure that is no number is divergence, as a loss is."""
    run = TinyRun(tmp_path)
    with pytest.raises(Diverged, match=f"held-out wer after step 2 is {value}, also after 2 roll-backs"):
        run.attempt(measuring(), scripted({0: 0.1, 2: value}))


def test_measures_are_told(tmp_path: Path) -> None:
    """Whoever watches gets the error rate with the loss of each measurement."""
    run = TinyRun(tmp_path)
    run.attempt(measuring(), scripted())
    told = [(event.step, dict(event.measures)) for event in run.events if isinstance(event, Evaluated)]
    assert told == [(step, {"wer": value}) for step, value in EARLY.items()]


def test_a_plan_counts_the_kept_weights() -> None:
    """A checkpoint with best weights is four copies of the adapter, else three."""
    sizes = [
        measure(measuring(evaluation__select=select), TinyTrainable()).checkpoint_bytes for select in ("best", "last")
    ]
    assert sizes == [5 * 4 * 4, 5 * 4 * 3]
