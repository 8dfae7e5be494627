"""Checkpoints leave beside training: one worker, one waiting snapshot, the newest wins."""

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context

from loraruner.errors import TemporaryFailure
from loraruner.training.state import Snapshot

_LOG = logging.getLogger(__name__)
MAX_FAILURES = 3


class Uploader:
    """Runs ``commit(snapshot)`` in a thread; use as a context manager."""

    def __init__(self, commit: Callable[[Snapshot], None]) -> None:
        self._commit = commit
        self._waiting: Snapshot | None = None
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
        """Hand over a snapshot; one that still waits is replaced. Raises an earlier error that no retry can mend."""
        self.poll()
        with self._changed:
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
            error = self._try(snapshot)
            with self._changed:
                self._busy = False
                self._failures = self._failures + 1 if isinstance(error, TemporaryFailure) else 0
                if self._error is None or isinstance(self._error, TemporaryFailure):  # no success takes back another
                    self._error = error
                self._changed.notify_all()

    def _try(self, snapshot: Snapshot) -> Exception | None:
        try:
            self._commit(snapshot)
        except Exception as error:  # whatever it is, the training thread raises it: nobody may wait for a dead worker
            return error
        return None
