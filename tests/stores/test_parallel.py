"""Workers end with their caller."""

import threading
import time

import pytest

from loraruner.errors import DataInvalid, TemporaryFailure
from loraruner.stores import parallel, retry
from loraruner.stores.parallel import Stopped


def wait_for_stop(item: int, stop: threading.Event) -> int:
    if not stop.wait(10):
        raise AssertionError("was not told to stop")
    raise Stopped


def test_results_come_in_order() -> None:
    """The results are consumed in the order of the items, whichever is done first."""
    first_may_end, got = threading.Event(), list[int]()

    def task(item: int, stop: threading.Event) -> int:
        if item == 0:
            first_may_end.wait(10)
        if item == 3:
            first_may_end.set()
        return item

    parallel.run(task, range(4), num_workers=4, consume=lambda _, result: got.append(result))
    assert got == [0, 1, 2, 3]


def test_the_first_failure_stops_the_others() -> None:
    """One failing task stops those that run and those that wait, and its own error is raised."""

    def task(item: int, stop: threading.Event) -> int:
        if item == 2:
            raise DataInvalid("the reason")
        return wait_for_stop(item, stop)

    before = threading.active_count()
    with pytest.raises(DataInvalid, match="the reason"):
        parallel.run(task, range(20), num_workers=3, consume=lambda *_: None)
    assert threading.active_count() == before


def test_an_interrupted_caller_stops_all() -> None:
    """An exception in the caller's thread stops the tasks and passes through when they have ended."""

    def task(item: int, stop: threading.Event) -> int:
        return 0 if item == 0 else wait_for_stop(item, stop)

    def interrupted(*_: int) -> None:
        raise KeyboardInterrupt

    before, begun = threading.active_count(), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        parallel.run(task, range(5), num_workers=3, consume=interrupted)
    assert threading.active_count() == before and time.monotonic() - begun < 5


def test_retry_ends() -> None:
    """What stays broken is tried six times; other errors once; a stop ends the pause."""
    calls = []

    def fail(error: Exception) -> None:
        calls.append(error)
        raise error

    with pytest.raises(TemporaryFailure):
        retry.patiently(lambda: fail(TemporaryFailure("down")))
    assert len(calls) == retry.NUM_TRIES
    calls.clear()
    with pytest.raises(DataInvalid):
        retry.patiently(lambda: fail(DataInvalid("wrong")))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        retry.patiently(lambda: fail(TemporaryFailure("down")), stop=stop)
    assert len(calls) == 2
