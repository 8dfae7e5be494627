"""After a signal nobody waits longer than ``checkpoint.grace_s`` for a store that hangs."""

import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from loraruner.errors import Preempted
from loraruner.events import Event
from loraruner.families.base import Runtime
from loraruner.training.loop import Loop, Surroundings
from loraruner.training.metrics import Metrics
from loraruner.training.signals import SIGNALS, StopSignal
from loraruner.training.state import Snapshot
from loraruner.training.uploader import Uploader
from tests.support.tiny_training import TinyTrainable, job

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
            around = Surroundings(metrics, uploader, stop, terminate, {})
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
