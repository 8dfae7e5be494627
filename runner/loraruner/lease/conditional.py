"""A lease in one object that changes by conditional writes only: of two takers one loses, whatever their clocks say."""

import logging
from dataclasses import replace

from loraruner.errors import DataInvalid, Fenced, InputMissing
from loraruner.lease.record import LIMIT_BYTES, Record, new_record, now_s, parse, unreadable
from loraruner.lease.waiting import Waiter
from loraruner.stores.base import PreconditionFailed, Store

_LOG = logging.getLogger(__name__)


def take(store: Store, key: str, waiter: Waiter, lease_s: float) -> "ConditionalClaim":
    """Create the lease, or replace one that is free. See ``lease.acquire`` for what is raised."""
    while True:
        found = _read(store, key)
        if found and not waiter.is_free(found[0], key, found[1]):
            waiter.wait(found[0])
            continue
        begun_s = now_s()
        record = new_record(waiter.next_epoch(found[0].epoch if found else 0), lease_s)
        try:
            etag = store.write(key, record.data(), **({"if_match": found[1]} if found else {"if_absent": True}))
        except PreconditionFailed:
            continue  # another attempt was faster
        if found and not found[0].released:
            _LOG.warning("%s is gone without a word: this is attempt %d", found[0], record.epoch)
        return ConditionalClaim(store, key, (record, etag), begun_s)


class ConditionalClaim:
    """The lease as its owner holds it; see ``keeper.Claim``."""

    mark = ""

    def __init__(self, store: Store, key: str, written: tuple[Record, str], written_at_s: float) -> None:
        self._store, self._key, self.written_at_s = store, key, written_at_s
        self.record, self._etag = written

    def renew(self) -> None:
        """Write it again over what this owner wrote last."""
        self._replace(self.record.renewed())

    def release(self) -> None:
        """Leave the run to whoever comes next; the epoch stays on record."""
        self._replace(replace(self.record.renewed(), released=True))

    def _replace(self, record: Record) -> None:
        begun_s = now_s()
        try:
            self._etag = self._store.write(self._key, record.data(), if_match=self._etag)
        except PreconditionFailed:
            record, self._etag = self._after_lost_answer(record)
        self.record, self.written_at_s = record, begun_s

    def _after_lost_answer(self, record: Record) -> tuple[Record, str]:
        """What stands there now is ours when only the answer to a write was lost; else the run is another's."""
        found = _read(self._store, self._key)
        if found is None or found[0].nonce != record.nonce:
            raise taken(record, found[0] if found else None)
        try:  # written again, so that the lease counts from now: what is there may be of a try long ago
            record = record.renewed()
            return record, self._store.write(self._key, record.data(), if_match=found[1])
        except PreconditionFailed:
            raise taken(record, None) from None


def taken(record: Record, by: Record | None) -> Fenced:
    """What an owner is told that is none any more."""
    newer = f"{by} owns this run now" if by else "the lease of this run was taken away"
    return Fenced(f"{newer}: attempt {record.attempt} ends without writing anything more to the store")


def _read(store: Store, key: str) -> tuple[Record, str] | None:
    address = f"{store.uri}/{key}"
    if store.head(key) is None:
        return None
    try:
        data, etag = store.read(key, limit_bytes=LIMIT_BYTES)
    except InputMissing:  # removed just now
        return None
    except DataInvalid as error:
        raise unreadable(address, "too long") from error
    return parse(data, address), etag
