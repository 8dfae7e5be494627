"""What a store promises, tried without faults."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from loraruner.faults.exchange import LARGE_BYTES, SMALL_BYTES
from loraruner.files import Digest, digest_bytes, digest_file
from loraruner.stores.base import Capabilities, PreconditionFailed, Store

NUM_RIVALS = 8
OLDEST_S = 60.0  # a new object may not look older than this; clocks of whole seconds and slow stores are fine


@dataclass(frozen=True)
class Check:
    """One row. ``ok`` is None where the store does not offer what was to be tried."""

    check: str
    ok: bool | None
    detail: str
    seconds: float


def examine(store: Store, capabilities: Capabilities, folder: Path, content: bytes) -> Iterator[Check]:
    """Try one promise after the other below ``store``; every one cleans up behind itself only in part."""
    trials: list[tuple[str, Callable[[], tuple[bool | None, str]]]] = [
        ("create, one winner", lambda: _create_race(store, capabilities)),
        ("replace, one winner", lambda: _replace_race(store, capabilities)),
        ("small file", lambda: _round_trip(store, folder, content[:SMALL_BYTES])),
        ("file in parts", lambda: _round_trip(store, folder, content[:LARGE_BYTES])),
        ("list after write", lambda: _listing(store)),
        ("clock", lambda: _clock(store)),
    ]
    for name, trial in trials:
        begun = time.monotonic()
        ok, detail = trial()
        yield Check(name, ok, detail, round(time.monotonic() - begun, 3))


def _create_race(store: Store, capabilities: Capabilities) -> tuple[bool | None, str]:
    if not capabilities.create_exclusive:
        return None, "not honoured: run one job an output name at a time"
    return _race(store, "race/create", lambda data: store.write("race/create", data, if_absent=True))


def _replace_race(store: Store, capabilities: Capabilities) -> tuple[bool | None, str]:
    if not capabilities.replace_if_match:
        return None, "not honoured: run one job an output name at a time"
    etag = store.write("race/replace", b"old")
    return _race(store, "race/replace", lambda data: store.write("race/replace", data, if_match=etag))


def _race(store: Store, key: str, write: Callable[[bytes], object]) -> tuple[bool, str]:
    barrier = threading.Barrier(NUM_RIVALS)

    def run(number: int) -> int | None:
        barrier.wait()
        try:
            write(b"rival %d" % number)
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(NUM_RIVALS) as pool:
        winners = [number for number in pool.map(run, range(NUM_RIVALS)) if number is not None]
    kept = store.read(key)[0]
    right = len(winners) == 1 and kept == b"rival %d" % winners[0]
    return right, f"{len(winners)} of {NUM_RIVALS} rivals won{'' if right else ' or other bytes are kept'}"


def _round_trip(store: Store, folder: Path, data: bytes) -> tuple[bool, str]:
    source, target = folder / "source", folder / "target"
    source.write_bytes(data)
    sent = store.upload(source, "file")
    got = store.download("file", target, sha256=sent.sha256)
    expected: Digest = digest_bytes(data)
    right = expected == sent == got == digest_file(target)
    return right, f"{len(data):,} bytes up and down, SHA-256 {'equal' if right else 'DIFFERENT'}"


def _listing(store: Store) -> tuple[bool, str]:
    keys = [f"list/{number}" for number in range(5)]
    for key in keys:
        store.write(key, key.encode())
    shown = [info.key for info in store.list("list/")]
    store.delete(keys[0])
    left = [info.key for info in store.list("list/")]
    right = (shown, left) == (keys, keys[1:])
    return right, f"{len(shown)} of 5 shown at once, {len(left)} of 4 after a deletion"


def _clock(store: Store) -> tuple[bool | None, str]:
    store.write("clock", b"now")
    age_s = store.age_s("clock")
    if age_s is None:
        return None, "not told: take-over of a dead attempt waits by this machine's own clock"
    return age_s <= OLDEST_S, f"an object just written is {age_s:.1f} s old"
