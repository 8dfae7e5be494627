"""Is a lease free? A holder that may be dead is waited for; one that is alive is left alone."""

import logging
import time
from collections.abc import Callable

from loraruner.errors import Exhausted, Fenced, InputMissing
from loraruner.lease.record import Record
from loraruner.stores.base import Store

_LOG = logging.getLogger(__name__)
RESOLUTION_S = 1.0  # stores tell times in whole seconds
POLLS_A_LEASE = 20
LONGEST_PAUSE_S = 2.0


class Waiter:
    """One attempt's patience with the holders of a run."""

    def __init__(
        self,
        store: Store,
        run_id: str,
        pause: Callable[[float], None],
        *,
        max_attempts: int,
        last_attempt: int,
    ) -> None:
        self._store, self._run_id, self._pause = store, run_id, pause
        self._max_attempts, self._last_attempt = max_attempts, last_attempt
        self._since = time.monotonic()
        self._told: int | None = None
        self._seen_alive = False
        self._first_seen: dict[str, tuple[str, float]] = {}

    def next_epoch(self, last_epoch: int) -> int:
        """The epoch of the next owner, after ``last_epoch``; raises Exhausted (82) when no attempt is left."""
        made = max(last_epoch, self._last_attempt)
        if made >= self._max_attempts:
            raise Exhausted(
                f"run {self._run_id} has used up its attempts: {made} made, {self._max_attempts} allowed; look into "
                "its logs for what ends it, then raise LORARUNER_MAX_ATTEMPTS, or start anew with --fresh"
            )
        return made + 1

    def is_free(self, record: Record, key: str, etag: str) -> bool:
        """Whether the holder has left, is gone, or has not renewed for longer than its lease."""
        return record.released or record.holder.is_gone() or self._is_expired(record, key, etag)

    def _is_expired(self, record: Record, key: str, etag: str) -> bool:
        """By the store's own clock; and by ours, where nothing changed for that long before our eyes."""
        limit_s = record.lease_s + RESOLUTION_S
        now = time.monotonic()
        seen_etag, seen_at = self._first_seen.setdefault(key, (etag, now))
        if seen_etag != etag:
            self._first_seen[key], self._seen_alive = (etag, now), True
            return False
        try:
            age_s = self._store.age_s(key)
        except InputMissing:
            return False  # it has changed just now: look again
        return now - seen_at > limit_s or (age_s is not None and age_s > limit_s)

    def wait(self, record: Record) -> None:
        """Sleep a little; raises Fenced (76) when the holder has proved to be alive for one lease time."""
        if self._told != record.epoch:
            self._told = record.epoch
            limit_s = record.lease_s
            _LOG.info("%s holds run %s: waiting up to %g s, to see whether it is alive", record, self._run_id, limit_s)
        if self._seen_alive and time.monotonic() - self._since > record.lease_s + 2 * RESOLUTION_S:
            raise Fenced(
                f"run {self._run_id} belongs to {record}, which is alive; this attempt wrote nothing: wait until that "
                "one has ended, or stop it"
            )
        self._pause(min(LONGEST_PAUSE_S, record.lease_s / POLLS_A_LEASE))
