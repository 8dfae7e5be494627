"""A lease while it is held: renewed by a thread of its own, asked before every write."""

import logging
import threading
from contextvars import copy_context
from typing import Protocol

from loraruner.errors import Fenced, LoraRunerError
from loraruner.lease.record import Record, now_s

_LOG = logging.getLogger(__name__)
RENEWALS_A_LEASE = 3
TRIES_A_LEASE = 12
RELEASE_LIMIT_S = 10.0


class Claim(Protocol):
    """What stands in the store for an owner. ``renew`` and ``release`` raise Fenced (76) when it is another's."""

    record: Record
    written_at_s: float
    """When the last write that succeeded was begun, by ``now_s``."""
    mark: str
    """Goes into the names of what this owner writes, where the store cannot keep two owners apart; else empty."""

    def renew(self) -> None:
        """Write it again."""
        ...

    def release(self) -> None:
        """Write that the run is free."""
        ...


class Lease:
    """Ownership of a run; use as a context manager, which renews it inside and releases it at the end."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._lost: Fenced | None = None
        self._thread = threading.Thread(target=copy_context().run, args=(self._keep,), name="lease", daemon=True)

    @property
    def epoch(self) -> int:
        """The fencing token; also the number of this attempt."""
        return self._claim.record.epoch

    @property
    def mark(self) -> str:
        """See ``Claim.mark``."""
        return self._claim.mark

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """A store that is away must not hold up the end: then the lease expires by itself."""
        self._closed.set()
        if not self._lost:
            releasing = threading.Thread(target=copy_context().run, args=(self._release,), name="release", daemon=True)
            releasing.start()
            releasing.join(RELEASE_LIMIT_S)
            if releasing.is_alive():
                _LOG.warning("the lease could not be released in time, it expires by itself")

    def _release(self) -> None:
        with self._lock:
            try:
                self._claim.release()
            except (LoraRunerError, OSError) as error:
                _LOG.warning("the lease was not released, it expires by itself: %s", error)

    def check(self) -> None:
        """Raise Fenced when the lease is known to be lost, or was given back; asks nobody."""
        if self._lost:
            raise Fenced(str(self._lost))
        if self._closed.is_set():  # what runs on in a thread that was left to itself
            raise Fenced(f"attempt {self.epoch} has ended and writes nothing more to the store")

    def require(self) -> None:
        """Return only while the lease is held; one that ran out (the store was away) is renewed first.

        Raises Fenced (76), or what kept it from being renewed.
        """
        self.check()
        if now_s() >= self._claim.written_at_s + self._claim.record.lease_s:
            self.confirm()

    def confirm(self) -> None:
        """Renew now, to be sure; raises as ``require`` does."""
        self.check()
        self._renew()

    def _renew(self) -> None:
        with self._lock:
            self.check()
            try:
                self._claim.renew()
            except Fenced as error:
                self._lost = error
                _LOG.error("%s", error)
                raise

    def _keep(self) -> None:
        pause_s = self._claim.record.lease_s / RENEWALS_A_LEASE
        while not self._closed.wait(pause_s):
            pause_s = self._claim.record.lease_s / RENEWALS_A_LEASE
            try:
                self._renew()
            except Fenced:
                return
            except Exception as error:  # whatever it is: without this thread the run would be given up
                _LOG.warning("the lease was not renewed, trying again: %s", error)
                pause_s = self._claim.record.lease_s / TRIES_A_LEASE
