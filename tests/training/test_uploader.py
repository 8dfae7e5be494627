"""The worker beside training: what it commits, and when its errors are seen."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from loraruner.errors import NoPermission, TemporaryFailure
from loraruner.training.state import Snapshot
from loraruner.training.uploader import Uploader

WAIT_S = 10.0


def snapshot(step: int) -> Snapshot:
    return Snapshot(step, {}, {}, {})


class Gate:
    """A commit that waits until it may go on, and raises what stands for its step."""

    def __init__(self, errors: dict[int, Exception] | None = None) -> None:
        self.steps: list[int] = []
        self.entered, self.open = threading.Event(), threading.Event()
        self._errors = errors or {}

    def __call__(self, snapshot: Snapshot) -> None:
        self.entered.set()
        assert self.open.wait(WAIT_S)
        self.steps.append(snapshot.step)
        if error := self._errors.get(snapshot.step):
            raise error

    def has_seen(self, step: int) -> bool:
        return step in self.steps


def settle(uploader: Uploader, until: Callable[[], bool]) -> None:
    """Wait until the worker has got there."""
    with uploader._changed:
        assert uploader._changed.wait_for(until, WAIT_S)


def test_the_newest_wins() -> None:
    """While one is sent only the newest of the others waits; flush returns when it is sent."""
    gate = Gate()
    with Uploader(gate) as uploader:
        uploader.submit(snapshot(1))
        assert gate.entered.wait(WAIT_S)
        for step in (2, 3, 4):
            uploader.submit(snapshot(step))
        gate.open.set()
        uploader.flush()
        assert gate.steps == [1, 4]


def needing(step: int, anchor: int, candidate: int | None = None) -> Snapshot:
    """A snapshot that a roll-back would leave for the steps named."""
    return Snapshot(step, {}, {}, {"progress": {"rollbacks": 0, "anchor": [0, anchor], "candidate_step": candidate}})


def test_what_a_rollback_needs_goes_first() -> None:
    """An anchor that waits is not replaced by what leans on it, and is by what no longer does."""
    gate = Gate()
    with Uploader(gate) as uploader:
        uploader.submit(needing(1, 0))
        assert gate.entered.wait(WAIT_S)
        for each in (needing(2, 0, 2), needing(3, 2), needing(4, 2, 4), needing(5, 4), needing(6, 4)):
            uploader.submit(each)
        gate.open.set()
        uploader.flush()
        assert gate.steps == [1, 4, 6]


def test_an_anchor_that_did_not_get_through_is_tried_again() -> None:
    """Before the next snapshot, so that the store never has one without what it may go back to."""
    gate = Gate({2: TemporaryFailure("away")})
    gate.open.set()
    with Uploader(gate) as uploader:
        uploader.submit(needing(2, 0, 2))
        settle(uploader, lambda: uploader._error is not None and not uploader._busy)
        gate._errors = {}
        uploader.submit(needing(3, 2))
        uploader.flush()
        assert gate.steps == [2, 2, 3]
        uploader.submit(needing(4, 2))
        uploader.flush()
        assert gate.steps == [2, 2, 3, 4]


def test_leaving_commits_what_waits() -> None:
    """An error in training does not lose the snapshot that waits."""
    gate = Gate()
    with pytest.raises(KeyError), Uploader(gate) as uploader:
        uploader.submit(snapshot(1))
        gate.open.set()
        raise KeyError
    assert gate.steps == [1]


def test_an_unavailable_store_is_a_warning_at_first(caplog: pytest.LogCaptureFixture) -> None:
    """75 is a warning while training goes on, since the next checkpoint may get through; at the end it is raised."""
    gate = Gate({1: TemporaryFailure("the store is away"), 3: TemporaryFailure("still away")})
    gate.open.set()
    with Uploader(gate) as uploader:
        uploader.submit(snapshot(1))
        settle(uploader, lambda: uploader._error is not None)
        uploader.submit(snapshot(2))
        uploader.flush()
        assert "the store is away" in caplog.text
        uploader.submit(snapshot(3))
        with pytest.raises(TemporaryFailure, match="still away"):
            uploader.flush()


@pytest.mark.parametrize("error", [NoPermission("read-only"), OSError("disk"), RuntimeError("a fault of ours")])
@pytest.mark.parametrize("verb", ["submit", "poll", "flush"])
def test_other_errors_surface(error: Exception, verb: str) -> None:
    """Whatever else the worker meets is raised in training's next step, and never leaves anybody waiting."""
    gate = Gate({1: error})
    gate.open.set()
    with Uploader(gate) as uploader:
        uploader.submit(snapshot(1))
        settle(uploader, lambda: uploader._error is not None)
        arguments = (snapshot(2),) if verb == "submit" else ()
        with pytest.raises(type(error), match=str(error)):
            getattr(uploader, verb)(*arguments)


def test_a_later_success_takes_no_error_back() -> None:
    """What no retry can mend is raised although the next checkpoint got through."""
    gate = Gate({1: NoPermission("read-only")})
    gate.open.set()
    with Uploader(gate) as uploader:
        uploader.submit(snapshot(1))
        settle(uploader, lambda: uploader._error is not None)
        with uploader._changed:  # as when both were sent during one long step
            uploader._waiting = snapshot(2)
            uploader._changed.notify_all()
        settle(uploader, lambda: gate.steps == [1, 2] and not uploader._busy)
        with pytest.raises(NoPermission, match="read-only"):
            uploader.poll()


def test_a_store_that_stays_away_ends_training() -> None:
    """The third failure in a row is raised while training goes on; one that got through between them starts anew."""
    gate = Gate({step: TemporaryFailure(f"away {step}") for step in (1, 2, 4, 5, 6)})
    gate.open.set()
    with Uploader(gate) as uploader:
        for step in range(1, 7):
            uploader.submit(snapshot(step))
            settle(uploader, partial(gate.has_seen, step))
            settle(uploader, lambda: not uploader._busy)
        with pytest.raises(TemporaryFailure, match="3 checkpoints in a row did not reach the store: away 6"):
            uploader.poll()


def test_an_unavailable_store_that_came_back_is_forgotten() -> None:
    """A checkpoint that got through stands for the one before it that did not."""
    gate = Gate({1: TemporaryFailure("away")})
    gate.open.set()
    with Uploader(gate) as uploader:
        uploader.submit(snapshot(1))
        settle(uploader, lambda: uploader._error is not None)
        with uploader._changed:
            uploader._waiting = snapshot(2)
            uploader._changed.notify_all()
        assert uploader.flush() is True
