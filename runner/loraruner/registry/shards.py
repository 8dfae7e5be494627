"""The index in the store: rows in shards by NAME, below ``OUTPUT/.registry/v1/``. Only a copy; it can be made again.

A shard is JSON lines: a head with format and SHA-256 of the rest, then one row a line. ``complete.json`` is there once
everything that had been published before was taken in.
"""

import hashlib
import json
import logging
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from loraruner.errors import DataInvalid, InputMissing, TemporaryFailure
from loraruner.registry.rows import Row, tidy
from loraruner.stores.base import PreconditionFailed, Store
from loraruner.stores.keys import join

_LOG = logging.getLogger(__name__)
FORMAT = 1
FOLDER = ".registry/v1"  # the number is the format's: another one lies beside it
NUM_SHARDS = 32
MAX_SHARD_BYTES = 48 << 20
TRIES = 12
LONGEST_PAUSE_S = 1.0  # between two tries; the first are quick
COMPLETE = "complete.json"
KEYS = tuple(f"{number:02d}.jsonl" for number in range(NUM_SHARDS))


class Damaged(Exception):
    """A shard is not what was written; the index has to be made again."""


@dataclass(frozen=True)
class Shard:
    """One shard as it is in the store; ``etag`` is empty where there is none."""

    rows: tuple[Row, ...] = ()
    etag: str = ""


def key_of(name: str) -> str:
    """The shard that holds a NAME's rows."""
    return KEYS[int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % NUM_SHARDS]


def written(rows: Iterable[Row]) -> bytes:
    """A shard's bytes, the same for the same rows in any order; where it is full runs without a version go first."""
    ordered = sorted(rows, key=lambda row: (row["version"] is not None, row["ended"], row["name"], row["run_id"]))
    lines = [json.dumps(row, sort_keys=True, separators=(",", ":")) for row in ordered]
    size = sum(map(len, lines)) + len(lines)
    dropped = 0
    while size > MAX_SHARD_BYTES:
        size -= len(lines[dropped]) + 1
        dropped += 1
    if dropped:
        _LOG.warning("the index is full: %d of its oldest rows were left out; list a single NAME to see all", dropped)
    body = "".join(f"{line}\n" for line in sorted(lines[dropped:])).encode()
    head = {"format": FORMAT, "rows": len(lines) - dropped, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(head, sort_keys=True).encode() + b"\n" + body


def parsed(data: bytes) -> tuple[Row, ...]:
    """The rows of a shard's bytes, each made tidy; raises Damaged for anything else."""
    first, _, body = data.partition(b"\n")
    try:
        head = json.loads(first)
        if head["format"] != FORMAT or head["sha256"] != hashlib.sha256(body).hexdigest():
            raise Damaged("its digest is another one")
        found = json.loads(b"[" + body.rstrip(b"\n").replace(b"\n", b",") + b"]")
        return tuple(tidy(row) for row in found)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{error!r:.100}") from error


def read(store: Store, key: str) -> Shard:
    """One shard, an empty one where there is none; raises Damaged. ``store`` is that of the index's folder."""
    try:
        data, etag = store.read(key, limit_bytes=2 * MAX_SHARD_BYTES)
    except InputMissing:
        return Shard()
    except DataInvalid as error:
        raise Damaged(str(error)) from error
    return Shard(parsed(data), etag)


def change(store: Store, key: str, make: Callable[[tuple[Row, ...] | None], Iterable[Row] | None]) -> None:
    """Replace a shard by what ``make`` makes of its rows (None: damaged); None from it leaves the shard as it is.

    Whoever comes between is not lost: the rows are read and made again. Raises TemporaryFailure (75) when that happens
    every time.
    """
    for attempt in range(TRIES):
        if attempt:
            time.sleep(random.uniform(0, min(LONGEST_PAUSE_S, 0.02 * 2**attempt)))  # runs that end at once part
        present = store.head(key)
        try:
            shard = read(store, key) if present else Shard()
            etag, known = shard.etag, shard.rows
        except Damaged as error:
            _LOG.warning("%s: is damaged (%s); it is made again", join(store.uri, key), error)
            etag, known = present.etag if present else "", None
        made = make(known)
        if made is None:
            return
        data = written(made)
        with suppress(PreconditionFailed):
            store.write(key, data, **_condition(etag))
            return
    raise TemporaryFailure(f"{join(store.uri, key)}: changed {TRIES} times while it was written; try again")


def _condition(etag: str) -> dict[str, Any]:
    return {"if_match": etag} if etag else {"if_absent": True}
