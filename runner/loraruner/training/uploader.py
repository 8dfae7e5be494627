"""Checkpoints leave beside training: one worker, one waiting snapshot, the newest wins.

What a roll-back from it may go back to is committed before it: wherever a kill falls, the store has that too.
"""

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context

from loraruner.errors import TemporaryFailure
from loraruner.training.signals import StopSignal
from loraruner.training.state import Snapshot

_LOG = logging.getLogger(__name__)
MAX_FAILURES = 3
POLL_S = 0.5


class Uploader:
    """Runs ``commit(snapshot)`` in a thread; use as a context manager."""

    def __init__(self, commit: Callable[[Snapshot], None]) -> None:
        self._commit = commit
        self._waiting: Snapshot | None = None
        self._owed: list[Snapshot] = []  # to be committed before what waits; at most an anchor and a candidate
        self._busy = False
        self._closed = self._given_up = False
        self._error: Exception | None = None
        self._failures = 0  # in a row
        self._changed = threading.Condition()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._work,), name="checkpoint-upload", daemon=True
        )

    def __enter__(self) -> "Uploader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if not self._given_up:
            self._thread.join()

    def submit(self, snapshot: Snapshot) -> None:
        """Hand over a snapshot; one that still waits is replaced, unless a roll-back from this one may need it.

        Raises an earlier error that no retry can mend.
        """
        self.poll()
        with self._changed:
            newest = {each.place: each for each in (*self._owed, snapshot)}
            self._owed = [each for place, each in newest.items() if place in snapshot.needed]
            self._waiting = snapshot
            self._changed.notify_all()

    def poll(self) -> None:
        """Raise what the worker met; an unavailable store is only a warning until ``flush``.

        It is raised the third time in a row: a job that goes on without anything saved would risk ever more work.
        """
        with self._changed:
            error, failures = self._error, self._failures
            if isinstance(error, TemporaryFailure):
                self._error = None
        if isinstance(error, TemporaryFailure) and failures >= MAX_FAILURES:
            raise TemporaryFailure(f"{failures} checkpoints in a row did not reach the store: {error}") from error
        if isinstance(error, TemporaryFailure):
            _LOG.warning("checkpoint not uploaded, the next one is tried: %s", error)
        elif error:
            raise error

    def flush(self, limit_s: float | None = None) -> bool:
        """Wait until nothing is under way, at most ``limit_s``; raise the last error, whatever it is.

        False when the time was not enough.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: not self._busy and self._waiting is None, limit_s)
            if not done:
                return False
            error, self._error = self._error, None
        if error:
            raise error
        return True

    def give_up(self) -> None:
        """Leave the worker to itself: it ends with the process."""
        self._given_up = True

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closed)
                snapshot, self._waiting = self._waiting, None
                if snapshot is None:
                    return
                self._busy = True
                due = [*(each for each in self._owed if each is not snapshot), snapshot]
            error = self._try(due)
            with self._changed:
                self._busy = False
                if error is None:  # else what is owed is tried again before the next one
                    done = set(map(id, due))
                    self._owed = [each for each in self._owed if id(each) not in done]
                self._failures = self._failures + 1 if isinstance(error, TemporaryFailure) else 0
                if self._error is None or isinstance(self._error, TemporaryFailure):  # no success takes back another
                    self._error = error
                self._changed.notify_all()

    def _try(self, snapshots: list[Snapshot]) -> Exception | None:
        try:
            for each in snapshots:
                self._commit(each)
        except Exception as error:  # whatever it is, the training thread raises it: nobody may wait for a dead worker
            return error
        return None


def drain(uploader: Uploader, stop: StopSignal, grace_s: int, step: int) -> bool:
    """Wait for the last upload; after a signal no longer than ``grace_s``: False when that was over."""
    while not uploader.flush(POLL_S):
        if stop.age_s() > grace_s:
            _LOG.warning(
                "the checkpoint of step %d did not reach the store within $.checkpoint.grace_s = %d s; the one before "
                "it is the newest there",
                step,
                grace_s,
            )
            uploader.give_up()
            return False
    return True
