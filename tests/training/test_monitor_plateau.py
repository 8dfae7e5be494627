"""Plateaus: when they are told, when they pause a run, and how it goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loraruner.errors import ExitCode, Paused, Preempted
from loraruner.events import EpochDone, Evaluated, StepDone, Warned
from loraruner.spec import Monitor, Spec
from loraruner.training.monitor import plateau
from loraruner.training.monitor.state import Watched
from tests.support.tiny_training import KEYS, TinyRun, TinyTrainable, assert_same_bits, job


def told(series: dict[int, float], **options: Any) -> list[int]:
    """At which steps a plateau is told; ``series``: loss by step."""
    watched, chosen = Watched(), Monitor(**{"plateau_steps": 10, "min_improvement": 0.1, **options})
    return [step for step, value in series.items() if plateau.judge(watched, value, step, chosen)]


@pytest.mark.parametrize(
    ("series", "steps"),
    [
        (dict.fromkeys(range(1, 30), 1.0), [11]),  # once
        ({step: 1.0 - 0.02 * step for step in range(1, 30)}, []),  # small improvements add up
        ({step: 1.0 - 0.001 * step for step in range(1, 30)}, [11]),  # too small ones do not
        ({**dict.fromkeys(range(1, 15), 1.0), **dict.fromkeys(range(15, 30), 0.5)}, [11, 25]),  # again after one
        ({0: 1.0, 4: 0.95, 8: 0.96, 12: 0.97, 16: 0.5}, [12]),
        (dict.fromkeys(range(1, 12), 0.0), [11]),
    ],
)
def test_when_a_plateau_is_told(series: dict[int, float], steps: list[int]) -> None:
    """Ten steps without an improvement by a tenth, once until the next one."""
    assert told(series) == steps


def test_counting_anew() -> None:
    """After people let a run go on it has all its steps again, and its best still counts."""
    watched, options = Watched(), Monitor(plateau_steps=10)
    assert [step for step in range(1, 12) if plateau.judge(watched, 1.0, step, options)] == [11]
    plateau.count_anew(watched, 11)
    assert [step for step in range(12, 30) if plateau.judge(watched, 1.0, step, options)] == [21]


def flat(**overrides: Any) -> Spec:
    """A run whose loss hardly moves: a tiny learning rate, told and paused after six steps of twenty."""
    fields = {
        "training__max_steps": 20,
        "training__learning_rate": 1e-8,
        "training__batch_size": 7,
        "monitor__plateau_steps": 6,
        "monitor__min_improvement": 0.9,
        "monitor__on_plateau": "pause",
    }
    return job(**{**fields, **overrides})


def plateaus(run: TinyRun) -> list[int]:
    return [event.step for event in run.events if isinstance(event, Warned) and event.kind == "plateau"]


def steps(run: TinyRun) -> list[int]:
    return [event.step for event in run.events if isinstance(event, StepDone)]


def kept(run: TinyRun) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "store" / KEYS.adapter / "adapter.safetensors")


def test_a_warning_ends_nothing(tmp_path: Path) -> None:
    """One event and one line in the manifest; every step is trained."""
    run = TinyRun(tmp_path)
    trained = run.attempt(flat(monitor__on_plateau="warn"), TinyTrainable())
    assert plateaus(run) == [7] and trained.progress.step == 20
    [warning] = trained.monitor["warnings"]
    assert warning["text"].startswith("the smoothed training loss has not improved for 6 steps: ")


def test_a_pause_keeps_everything(tmp_path: Path) -> None:
    """80 after the step, its checkpoint in the store, its weights where people look, and what to do next."""
    run = TinyRun(tmp_path)
    with pytest.raises(Paused, match=r"paused by \$\.monitor: the smoothed training loss .* --continue") as caught:
        run.attempt(flat(), TinyTrainable())
    assert caught.value.code == ExitCode.PAUSED
    assert run.checkpoints()[-1] == "e0001-step-000007" and steps(run) == list(range(1, 8))
    newest = load_file(run.folder / "store" / KEYS.checkpoints / "e0001-step-000007/adapter.safetensors")
    assert all(torch.equal(value, newest[name]) for name, value in kept(run).items())


def test_a_run_paused_before_it_could_say_so(tmp_path: Path) -> None:
    """Killed between its checkpoint and its last word, the same job pauses again without a step."""
    run = TinyRun(tmp_path)
    for _ in range(2):
        with pytest.raises(Paused, match="has not improved for 6 steps"):
            run.attempt(flat(), TinyTrainable())
    assert steps(run) == list(range(1, 8))


@pytest.mark.parametrize("how", ["continued", "edited"])
@pytest.mark.parametrize("stop", [None, 8, 10])
def test_going_on_counts_anew(tmp_path: Path, how: str, stop: int | None) -> None:
    """With ``--continue`` or another ``monitor`` six more steps pass before the next pause; a stop changes nothing."""
    run = TinyRun(tmp_path)
    with pytest.raises(Paused):
        run.attempt(flat(), TinyTrainable())
    spec = flat(monitor__stall_s=60) if how == "edited" else flat()
    if stop:
        with pytest.raises(Preempted):
            run.attempt(spec, TinyTrainable(), goes_on=how == "continued", stop_after=stop)
    with pytest.raises(Paused):
        run.attempt(spec, TinyTrainable(), goes_on=how == "continued" and not stop)
    assert plateaus(run) == [7, 13] and steps(run) == list(range(1, 14))


def test_pausing_computes_the_same(tmp_path: Path) -> None:
    """A run paused twice and continued has the bits of one that only warned."""
    straight, paused = TinyRun(tmp_path / "a"), TinyRun(tmp_path / "b")
    straight.attempt(flat(monitor__on_plateau="warn", training__max_steps=16), TinyTrainable(dropout=0.5))
    spec = flat(training__max_steps=16)
    for goes_on in (False, True):
        with pytest.raises(Paused):
            paused.attempt(spec, TinyTrainable(dropout=0.5), goes_on=goes_on)
    paused.attempt(spec, TinyTrainable(dropout=0.5), goes_on=True)
    assert_same_bits(straight, paused)


def test_a_finished_training_is_not_paused(tmp_path: Path) -> None:
    """A plateau in the last step is told, and the run goes on to its version."""
    run = TinyRun(tmp_path)
    assert run.attempt(flat(training__max_steps=7), TinyTrainable()).progress.step == 7
    assert plateaus(run) == [7]


@pytest.mark.parametrize("every", [0, 2, 12])
def test_a_series_of_measurements_is_looked_at(tmp_path: Path, every: int) -> None:
    """Held-out losses where they are measured every so many steps; before and after alone is no series."""
    run = TinyRun(tmp_path)
    spec = flat(evaluation__every_steps=every, monitor__on_plateau="warn", training__max_steps=12)
    [warning] = run.attempt(spec, TinyTrainable(num_evaluation=3)).monitor["warnings"]
    what, step = ("the loss on held-out samples", 6) if every == 2 else ("the smoothed training loss", 7)
    assert warning["text"].startswith(f"{what} has not improved for 6 steps") and warning["step"] == step


def test_the_best_weights_are_kept_aside(tmp_path: Path) -> None:
    """Where measurements choose, a paused run leaves the best one's weights, not the last."""
    script = {0: 0.9, 2: 0.1, 4: 0.5, 6: 0.5, 8: 0.5}
    run = TinyRun(tmp_path)
    spec = flat(evaluation__every_steps=2, training__learning_rate=0.001)
    with pytest.raises(Paused):
        run.attempt(spec, TinyTrainable(num_evaluation=2, script=script))
    newest = run.final()
    assert all(torch.equal(value, newest[f"best.{name}"]) for name, value in kept(run).items())
    assert any(not torch.equal(value, newest[name]) for name, value in kept(run).items())


@pytest.mark.parametrize("step", range(1, 13))
def test_the_same_decisions_after_a_resume(tmp_path: Path, step: int) -> None:
    """Stopped after any step - mid-epoch, in a measurement - warnings and summaries are those of one attempt."""
    spec = flat(
        training__max_steps=12,
        training__batch_size=2,
        training__learning_rate=0.05,
        evaluation__every_steps=2,
        monitor__on_plateau="warn",
        monitor__overfit_evaluations=1,
        monitor__min_improvement=0.5,
    )
    straight, run = TinyRun(tmp_path / "a"), TinyRun(tmp_path / "b")
    straight.attempt(spec, TinyTrainable(dropout=0.5, num_evaluation=3))
    with pytest.raises(Preempted):
        run.attempt(spec, TinyTrainable(dropout=0.5, num_evaluation=3), stop_after=step)
    run.attempt(spec, TinyTrainable(dropout=0.5, num_evaluation=3))
    assert decisions(straight) == decisions(run)
    assert {event.kind for event in run.events if isinstance(event, Warned)} >= {"plateau"}
    states = [json.loads((newest(each) / "state.json").read_text()) for each in (straight, run)]
    first, second = ({**each["progress"]["watched"], "epoch_s": 0.0} for each in states)
    assert first == second


def newest(run: TinyRun) -> Path:
    return run.folder / "store" / KEYS.checkpoints / run.checkpoints()[-1]


def decisions(run: TinyRun) -> list[tuple[Any, ...]]:
    """What people were told, without what took how long."""
    found: list[tuple[Any, ...]] = []
    for event in run.events:
        if isinstance(event, Warned):
            found.append((event.kind, event.step, event.text))
        elif isinstance(event, EpochDone):
            found.append((event.epoch, event.step, event.loss, event.evaluation_loss))
        elif isinstance(event, Evaluated):
            found.append((event.step, event.loss))
    return found
