"""What ``checkpoint.grace_s`` promises after a signal, and what is said when it would not do."""

import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from torch import Tensor

from loraruner.errors import Preempted
from loraruner.events import Event
from loraruner.families.base import Draw, Runtime
from loraruner.training.grace import Grace
from loraruner.training.loop import Loop, Surroundings
from loraruner.training.metrics import Metrics
from loraruner.training.signals import SIGNALS, StopSignal
from loraruner.training.state import Snapshot
from loraruner.training.uploader import Uploader
from tests.support.tiny_training import TinyRun, TinyTrainable, job

RUNTIME = Runtime(device="cpu", precision="fp32", dtype="float32", num_threads=1)


def test_a_hanging_store_is_left_after_the_grace_period(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SIGTERM while the store hangs: a warning names the step and the limit, and the run ends as preempted."""
    never, stop = threading.Event(), StopSignal()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stop.install()

    def hang(snapshot: Snapshot) -> None:
        never.wait(60)

    def terminate(event: Event) -> None:
        if stop.received is None:
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        started = time.monotonic()
        with caplog.at_level(logging.WARNING), pytest.raises(Preempted), Uploader(hang) as uploader:
            metrics = Metrics(tmp_path / "metrics.jsonl", tmp_path / "events")
            around = Surroundings(metrics, uploader, stop, terminate, {}, Grace(1))
            Loop(job(training__max_steps=5, checkpoint__grace_s=1), TinyTrainable(), RUNTIME, around).run(None)
        assert time.monotonic() - started < 30  # the store would hang for 60 s
        assert "the checkpoint of step 1 did not reach the store within $.checkpoint.grace_s = 1 s" in caplog.text
    finally:
        never.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_upload_error_before_a_newer_checkpoint_does_not_end_the_wait() -> None:
    """While something is under way ``flush`` says so and raises nothing; the last outcome counts."""
    go, outcomes = threading.Event(), iter([OSError("first"), None])

    def commit(snapshot: Snapshot) -> None:
        go.wait(60)
        if error := next(outcomes):
            raise error

    with Uploader(commit) as uploader:
        uploader.submit(Snapshot(1, {}, {}, {}))
        assert uploader.flush(0.01) is False
        go.set()
        with pytest.raises(OSError, match="first"):
            uploader.flush()
        uploader.submit(Snapshot(2, {}, {}, {}))
        assert uploader.flush() is True


def test_too_little_grace_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Step, copy and upload add up; the warning has both numbers and what to raise, and is not repeated."""
    grace = Grace(100)
    grace.stepped(30.0)
    grace.stepped(20.0)
    grace.copied(1.0)
    with caplog.at_level(logging.INFO):
        grace.committed(70.0)
        grace.committed(500.0)
    (record,) = caplog.records
    assert (
        record.levelname == "WARNING"
        and "takes 101.0 s here (step 30.0 s, checkpoint and upload 71.0 s)" in record.message
    )
    assert "$.checkpoint.grace_s = 100 s" in record.message and "terminationGracePeriodSeconds" in record.message


def test_enough_grace_is_told_once_and_a_slower_store_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """The first commit is told; a later one that takes longer than the grace is a warning, once."""
    grace = Grace(10)
    with caplog.at_level(logging.INFO):
        for seconds in (1.0, 2.0, 11.0, 12.0):
            grace.committed(seconds)
    assert [(each.levelname, each.message.split(" s here")[0]) for each in caplog.records] == [
        ("INFO", "leaving in order takes 1.0"),
        ("WARNING", "leaving in order takes 11.0"),
    ]


class Patient(TinyTrainable):
    """Begins an attempt's second step only when the worker has taken the first checkpoint."""

    taken: threading.Event

    def collate(self, indices: Sequence[int], draw: Draw, part: str = "train") -> tuple[Tensor, Tensor, Tensor]:
        if draw.step in (1, 4):
            assert self.taken.wait(30)
        return super().collate(indices, draw, part)


def test_the_first_step_of_each_attempt_is_committed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Long before the first multiple of ``every_steps`` the store has proved itself and the need is measured."""
    run, long = TinyRun(tmp_path), job(training__max_steps=9, checkpoint__keep=9, checkpoint__every_s=0)

    def patient() -> Patient:
        trainable = Patient()
        trainable.taken = threading.Event()
        run.ship = lambda workspace: trainable.taken.set()
        return trainable

    with caplog.at_level(logging.INFO):
        with pytest.raises(Preempted):
            run.attempt(long, patient(), stop_after=3)
        run.attempt(long, patient())
    assert run.checkpoints() == [
        f"e{name}" for name in ("0001-step-000001", "0001-step-000003", "0002-step-000004", "0002-step-000009")
    ]
    assert [each.levelname for each in caplog.records if "leaving in order" in each.message] == ["INFO", "INFO"]
