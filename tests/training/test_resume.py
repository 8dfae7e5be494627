"""Resumed equals uninterrupted, bit for bit, with an empty workspace each time."""

from pathlib import Path

import pytest

from loraruner import attempt_logs
from loraruner.errors import DataInvalid, Preempted
from loraruner.spec import Spec
from loraruner.workspace import Workspace
from tests.support.tiny_training import IDENTITY, KEYS, TinyRun, TinyTrainable, assert_same_bits, job

STEPS = 6


def accumulating() -> Spec:
    """Seven samples in pairs, three to a step: two steps an epoch, the second is short; three epochs."""
    return job(
        training__epochs=3,
        training__batch_size=2,
        training__gradient_accumulation_steps=3,
        training__learning_rate=0.05,
        training__warmup_steps=2,
        evaluation__every_steps=2,
    )


def trainable() -> TinyTrainable:
    return TinyTrainable(dropout=0.5, num_evaluation=2)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The run that nothing interrupted."""
    run = TinyRun(tmp_path_factory.mktemp("straight"))
    assert run.attempt(accumulating(), trainable()).progress.step == STEPS
    return run


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_resume_at_every_step(straight: TinyRun, tmp_path: Path, step: int) -> None:
    """Stopped after any step - mid-epoch, at an epoch's end, after the last - the next attempt computes the same.

    A stop in an even step also cuts its evaluation short, which is done after the resume.
    """
    run = TinyRun(tmp_path)
    with pytest.raises(Preempted):
        run.attempt(accumulating(), trainable(), stop_after=step)
    assert run.attempt(accumulating(), trainable()).resumed_step == step
    assert_same_bits(straight, run)
    assert run.evaluations == straight.evaluations


def test_resume_twice(straight: TinyRun, tmp_path: Path) -> None:
    """Stopped after step 2 and again after step 3."""
    run = TinyRun(tmp_path)
    for step in (2, 3):
        with pytest.raises(Preempted):
            run.attempt(accumulating(), trainable(), stop_after=step)
    run.attempt(accumulating(), trainable())
    assert_same_bits(straight, run)
    assert [entry["step"] for entry in run.evaluations] == [0, 2, 4, 6]


def test_stopped_before_the_first_step(straight: TinyRun, tmp_path: Path) -> None:
    """A signal that came while the base was loaded leaves a checkpoint of step 0, from which all follows."""
    run = TinyRun(tmp_path)
    with pytest.raises(Preempted):
        run.attempt(accumulating(), trainable(), stop_after=0)
    assert run.checkpoints() == ["e0001-step-000000"]
    run.attempt(accumulating(), trainable())
    assert_same_bits(straight, run)


def test_a_finished_training_is_not_done_again(straight: TinyRun, tmp_path: Path) -> None:
    """An attempt that starts at the last step trains nothing and saves nothing."""
    run = TinyRun(tmp_path)
    run.attempt(accumulating(), trainable())
    before, events = run.checkpoints(), len(run.events)
    assert run.attempt(accumulating(), trainable()).progress.step == STEPS
    assert (run.checkpoints(), len(run.events)) == (before, events)


def test_never_starts_anew(straight: TinyRun, tmp_path: Path) -> None:
    """``checkpoint.resume: never`` leaves what is there and trains from step 1."""
    run = TinyRun(tmp_path)
    with pytest.raises(Preempted):
        run.attempt(accumulating(), trainable(), stop_after=3)
    never = job(training__max_steps=2, checkpoint__resume="never")
    assert run.attempt(never, trainable()).resumed_step == 0


def test_resume_from_another_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A checkpoint named by its address is where a run of its own begins; other inputs are told."""
    first = TinyRun(tmp_path / "first")
    with pytest.raises(Preempted):
        first.attempt(accumulating(), trainable(), stop_after=3)
    address = tmp_path / "first/store" / KEYS.checkpoints / "e0001-step-000003"
    onward = job(training__max_steps=5, checkpoint__resume=str(address))
    for folder, identity in (("same", IDENTITY), ("other", {**IDENTITY, "fingerprint": "changed"})):
        trained = TinyRun(tmp_path / folder).attempt(onward, trainable(), identity=identity)
        assert (trained.resumed_step, trained.progress.step) == (3, 5)
        assert ("resume not exact" in caplog.text) == (folder == "other")


def test_resume_past_the_end_is_refused(tmp_path: Path) -> None:
    """A checkpoint beyond the job's last step is 65, with both steps and the field to raise."""
    run = TinyRun(tmp_path)
    run.attempt(job(training__max_steps=4), trainable())
    with pytest.raises(DataInvalid, match=r"checkpoint is at step 4, the job ends at step 2; raise \$\.training"):
        run.attempt(job(training__max_steps=2), trainable())


def test_records_reach_the_store_before_their_checkpoint(tmp_path: Path) -> None:
    """Wherever a kill falls, the store has the record of every step before its newest checkpoint."""
    run, shipped = TinyRun(tmp_path), []
    stored = tmp_path / "store" / KEYS.logs(1) / "metrics.jsonl"

    def last_step() -> int:
        return max((each["step"] for each in attempt_logs.read_metrics(stored)), default=0) if stored.exists() else 0

    def ship(workspace: Workspace) -> None:
        newest = max((int(name[-6:]) for name in run.checkpoints()), default=0)
        shipped.append((newest, last_step()))
        attempt_logs.ship(workspace, run.store, KEYS, 1)

    run.ship = ship
    run.attempt(job(training__max_steps=6, checkpoint__every_steps=1), trainable())
    assert shipped and all(newest <= recorded for newest, recorded in shipped)
    assert last_step() == 6
