"""Leases on a store whose clock the test holds, of this process and of one elsewhere."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from loraruner import settings
from loraruner.lease import Lease, acquire, record
from loraruner.lease.record import Holder
from loraruner.stores.base import Capabilities
from loraruner.workspace import RunKeys
from tests.support.recording_store import RecordingStore

ATOMIC = Capabilities(create_exclusive=True, replace_if_match=True, checksum_mode="none")
PLAIN = Capabilities(create_exclusive=False, replace_if_match=False, checksum_mode="none")
KINDS = pytest.mark.parametrize("capabilities", [ATOMIC, PLAIN], ids=["conditional", "listed"])
KEYS = RunKeys("r-0123456789ab")
ELSEWHERE = Holder(host="pod-b", boot="another", namespace="pid:[1]", pid=1, started="7")
LEASE_S = 2.0


def at_once(seconds: float) -> None:
    """The pause of one who must not have to wait."""
    raise AssertionError(f"waits for {seconds} s")


def operator(lease_s: float = LEASE_S, max_attempts: int = 20) -> settings.Settings:
    variables = {"HOME": "/nowhere", "LORARUNER_LEASE_S": str(lease_s), "LORARUNER_MAX_ATTEMPTS": str(max_attempts)}
    return settings.load(variables)


class Clock:
    """Time that passes only while somebody waits; the store's clock shows the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: RecordingStore) -> None:
        self.now, self.written, self.events = 1000.0, {}, []  # type: tuple[float, dict[str, float], list[Any]]
        self.on_pause: Callable[[float], None] = lambda now: None
        write = store.write

        def noted(key: str, data: bytes, **condition: Any) -> str:
            etag = write(key, data, **condition)
            self.written[key] = self.now
            return etag

        monkeypatch.setattr(store, "write", noted)
        monkeypatch.setattr(store, "age_s", lambda key: self.now - self.written[key])
        monkeypatch.setattr("loraruner.lease.waiting.time.monotonic", lambda: self.now)

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.on_pause(self.now)


def take(store: RecordingStore, capabilities: Capabilities, pause: Callable[[float], None] = time.sleep) -> Lease:
    return acquire(store, KEYS, capabilities, operator(), pause=pause)


def take_elsewhere(store: RecordingStore, capabilities: Capabilities, max_attempts: int = 20) -> Lease:
    """The same as a process on another machine, of which nobody here can know whether it is alive."""
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setattr(record, "this_process", lambda: ELSEWHERE)
        return acquire(store, KEYS, capabilities, operator(max_attempts=max_attempts), pause=at_once)


def lease_json(store: RecordingStore) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(store.read(KEYS.lease)[0])
    return fields
