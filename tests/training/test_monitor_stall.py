"""The stall watchdog: what it tells, once, and that nothing it meets ends anything."""

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from loraruner.errors import Fenced, Preempted
from loraruner.events import Event, StepDone, Warned
from loraruner.training.monitor.stall import MAX_CHARACTERS, Watchdog, stacks
from tests.support.tiny_training import TinyRun, TinyTrainable, job

WAIT_S = 10.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_stall_is_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """After so many seconds without a beat, with what every thread is doing; again only after a beat."""
    told: list[float] = []
    dog = Watchdog(60, told.append, clock)
    for now in (30, 59, 60, 90, 500):
        clock.now = now
        dog.look()
    assert told == [60]
    dog.beat()
    for now in (559, 561, 900):
        clock.now = now
        dog.look()
    assert told == [60, 61]
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "no step was finished for 60 s",
        "no step was finished for 61 s",
    ]
    assert "thread MainThread:" in caplog.text and "test_a_stall_is_told_once" in caplog.text


@pytest.mark.parametrize("error", [Fenced("another attempt"), Preempted("SIGTERM"), ValueError("a fault")])
def test_what_telling_raises_stays_in_the_watchdog(
    clock: Clock, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The training thread meets the same at its next step, and raises it there."""

    def tell(seconds: float) -> None:
        raise error

    clock.now, dog = 0.0, Watchdog(60, tell, clock)
    clock.now = 61
    dog.look()
    assert f"the stall was not told: {error}" in caplog.text


def test_the_thread_looks_and_leaves() -> None:
    """It runs while inside and ends with it; 0 seconds start none."""
    told = threading.Event()
    dog = Watchdog(0.05, lambda seconds: told.set())
    with dog:
        assert told.wait(WAIT_S)
    assert not dog._thread.is_alive()
    off = Watchdog(0, lambda seconds: None)
    with off:
        assert off._thread.ident is None


def test_the_stacks_are_bounded() -> None:
    """The main thread first, each thread's innermost frames, no more than the log can bear."""
    gate = threading.Event()

    def deep(depth: int) -> None:
        deep(depth - 1) if depth else gate.wait(WAIT_S)

    threads = [threading.Thread(target=deep, args=(60,), name=f"busy-{number}") for number in range(40)]
    for thread in threads:
        thread.start()
    try:
        text = stacks()
    finally:
        gate.set()
        for thread in threads:
            thread.join()
    assert text.startswith("thread MainThread:\n") and "thread busy-0:" in text
    assert len(text) <= MAX_CHARACTERS


def test_a_training_that_stands_still_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While a step hangs, the event comes from beside it, and the manifest keeps it; the run goes on."""
    run, told = TinyRun(tmp_path), threading.Event()

    class Listening(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            if isinstance(event, Warned) and event.kind == "stall":
                told.set()

    class Slow(TinyTrainable):
        def loss(self, batch: Any) -> Any:
            assert self.step < 1 or told.wait(WAIT_S)
            return super().loss(batch)

    run.events = Listening()
    caplog.set_level(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("loraruner.training.monitor.watch.Watchdog", _hasty)
        trained = run.attempt(job(training__max_steps=3), Slow())
    assert trained.progress.step == 3 and [each["kind"] for each in trained.monitor["warnings"]] == ["stall"]
    [warning] = [event for event in run.events if isinstance(event, Warned)]
    assert (warning.kind, warning.step) == ("stall", 1) and "the log says what the process is doing" in warning.text
    assert sum(isinstance(event, StepDone) for event in run.events) == 3
    assert "in loss" in caplog.text


def _hasty(stall_s: float, tell: Any) -> Watchdog:
    return Watchdog(0.3, tell)


def test_batches_of_a_measurement_are_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a beat, so that a long measurement is no stall."""
    beats: list[int] = []
    monkeypatch.setattr(Watchdog, "beat", lambda self: beats.append(1))
    counts = []
    for num_evaluation in (0, 8):
        beats.clear()
        folder = tmp_path / str(num_evaluation)
        TinyRun(folder).attempt(job(training__max_steps=1), TinyTrainable(num_evaluation=num_evaluation))
        counts.append(len(beats))
    assert counts[1] - counts[0] >= 2 * 8 / 4 * 2
