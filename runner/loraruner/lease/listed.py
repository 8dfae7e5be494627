"""A lease for stores without conditional writes: an object an attempt, and the newest in the listing owns the run.

Weaker than a conditional write: two that start in the same instant may both run until one of them renews. Their
checkpoints never meet, because their names hold the owner's nonce.
"""

import logging
from dataclasses import replace

from loraruner.errors import DataInvalid, InputMissing
from loraruner.lease.conditional import taken
from loraruner.lease.record import LIMIT_BYTES, Record, new_record, now_s, parse, unreadable
from loraruner.lease.waiting import Waiter
from loraruner.stores.base import Store

_LOG = logging.getLogger(__name__)


def take(store: Store, prefix: str, waiter: Waiter, lease_s: float) -> "ListedClaim":
    """Announce this attempt once no other is alive. See ``lease.acquire`` for what is raised."""
    _LOG.warning(
        "%s has no conditional writes: two attempts of one run cannot be kept apart for certain; "
        "start one at a time, or use another store",
        store.uri,
    )
    while True:
        records = _read_all(store, prefix)
        alive = [found for found in records if not waiter.is_free(*found)]
        if alive:
            waiter.wait(max(alive, key=lambda found: _rank(found[0]))[0])
            continue
        epoch = waiter.next_epoch(max((record.epoch for record, _, _ in records), default=0))
        claim = ListedClaim(store, prefix, new_record(epoch, lease_s))
        claim.renew()
        return claim


class ListedClaim:
    """The lease as its owner holds it; see ``keeper.Claim``."""

    def __init__(self, store: Store, prefix: str, record: Record) -> None:
        self._store, self._prefix, self.record = store, prefix, record
        self.mark, self.written_at_s = f"-{record.nonce}", 0.0

    def renew(self) -> None:
        """Write it again unless a newer attempt is in the listing; looks again afterwards, for a rival's sake."""
        self._require_newest()
        self._write(self.record.renewed())
        self._require_newest()

    def release(self) -> None:
        """Leave the run to whoever comes next; the epoch stays on record."""
        self._write(replace(self.record.renewed(), released=True))

    def _write(self, record: Record) -> None:
        begun_s = now_s()
        self._store.write(f"{self._prefix}e{record.epoch:04d}-{record.nonce}.json", record.data())
        self.record, self.written_at_s = record, begun_s

    def _require_newest(self) -> None:
        others = [record for record, _, _ in _read_all(self._store, self._prefix)]
        newest = max(others, key=_rank, default=self.record)  # one that has ended too: the run has gone on without us
        if _rank(newest) > _rank(self.record):
            raise taken(self.record, newest)


def _rank(record: Record) -> tuple[int, str]:
    return record.epoch, record.nonce


def _read_all(store: Store, prefix: str) -> list[tuple[Record, str, str]]:
    """Every attempt's record with its key and ETag."""
    found = []
    for info in list(store.list(prefix)):
        try:
            data, etag = store.read(info.key, limit_bytes=LIMIT_BYTES)
        except InputMissing:
            continue
        except DataInvalid as error:
            raise unreadable(f"{store.uri}/{info.key}", "too long") from error
        found.append((parse(data, f"{store.uri}/{info.key}"), info.key, etag))
    return found
