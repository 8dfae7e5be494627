"""Taking a run: at once when it is free, from the dead after a while, from the living never."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loraruner.errors import Exhausted, ExitCode, Fenced, IntegrityError
from loraruner.lease import acquire, record
from loraruner.lease.record import new_record
from loraruner.stores.base import Capabilities
from tests.support.leases import (
    ATOMIC,
    KEYS,
    KINDS,
    LEASE_S,
    PLAIN,
    Clock,
    at_once,
    lease_json,
    operator,
    take,
    take_elsewhere,
)
from tests.support.recording_store import RecordingStore


@KINDS
def test_epochs_count_up(store: RecordingStore, capabilities: Capabilities) -> None:
    """Each owner has a higher epoch than all before it, and a released lease is taken at once."""
    epochs = []
    for _ in range(3):
        with take(store, capabilities, at_once) as lease:
            epochs.append(lease.epoch)
    assert epochs == [1, 2, 3]


def test_the_epoch_is_above_every_attempt(store: RecordingStore) -> None:
    """Where the lease was removed by hand, the attempts that left logs still count."""
    assert acquire(store, KEYS, ATOMIC, operator(), last_attempt=4, pause=at_once).epoch == 5


def test_what_it_says(store: RecordingStore) -> None:
    """The file that people look into: who, how long, and that it was given back."""
    with take(store, ATOMIC):
        held = lease_json(store)
    assert (held["attempt"], held["epoch"], held["lease_s"], held["released"]) == (1, 1, LEASE_S, False)
    assert held["holder"]["pid"] == os.getpid() and held["holder"]["host"] and len(held["nonce"]) == 16
    assert lease_json(store)["released"] is True


@KINDS
def test_the_living_are_left_alone(store: RecordingStore, capabilities: Capabilities, clock: Clock) -> None:
    """A holder that renews: the second attempt ends with 76 after one lease time, without a write."""
    holder = take_elsewhere(store, capabilities)._claim
    clock.on_pause = lambda now: holder.renew() if int(now * 2) % 2 else None
    before = clock.now
    with pytest.raises(Fenced, match=r"belongs to attempt 1 \(host pod-b, process 1\), which is alive") as caught:
        take(store, capabilities, clock.pause)
    assert caught.value.code == ExitCode.FENCED and LEASE_S < clock.now - before < 3 * LEASE_S + 2
    assert all(json.loads(store.read(key)[0])["epoch"] == 1 for key in clock.written)


@KINDS
def test_the_silent_are_replaced(store: RecordingStore, capabilities: Capabilities, clock: Clock) -> None:
    """A holder that does not renew is taken over after its lease, and never before."""
    take_elsewhere(store, capabilities)
    begun = clock.now
    lease = take(store, capabilities, clock.pause)
    assert lease.epoch == 2 and LEASE_S + 1 < clock.now - begun < LEASE_S + 2


@KINDS
def test_long_expired_is_taken_at_once(store: RecordingStore, capabilities: Capabilities, clock: Clock) -> None:
    """Whoever comes a day later does not wait: the store's clock tells the age."""
    take_elsewhere(store, capabilities)
    clock.now += 86_400
    assert take(store, capabilities, at_once).epoch == 2


@pytest.mark.parametrize("told_s", [None, -7200.0], ids=["none", "hours wrong"])
def test_a_store_without_a_clock(
    store: RecordingStore, clock: Clock, monkeypatch: pytest.MonkeyPatch, told_s: float | None
) -> None:
    """Where the store tells no age, or nonsense, an owner that was silent before our eyes for its lease is replaced."""
    take_elsewhere(store, ATOMIC)
    monkeypatch.setattr(store, "age_s", lambda key: told_s)
    begun = clock.now
    assert take(store, ATOMIC, clock.pause).epoch == 2 and clock.now - begun > LEASE_S + 1


def test_a_process_that_is_gone(store: RecordingStore) -> None:
    """On this machine the lease of a process that was killed is taken over at once, and its pid alone says nothing."""
    code = "from loraruner.lease.record import new_record; print(new_record(1, 3600.0).data().decode())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    store.write(KEYS.lease, dead)
    assert take(store, ATOMIC, at_once).epoch == 2
    mine = new_record(7, 3600.0)
    reused = replace(mine, holder=replace(mine.holder, started="1"))
    store.write(KEYS.lease, reused.data())
    assert take(store, ATOMIC, at_once).epoch == 8


@pytest.mark.parametrize("place", [{"host": "other"}, {"boot": "other"}, {"namespace": "other"}, {"boot": ""}])
def test_processes_elsewhere_are_not_judged(place: dict[str, Any]) -> None:
    """Process numbers of another machine, another boot or another container say nothing here."""
    gone = replace(record.this_process(), started="1")
    assert gone.is_gone() and not replace(gone, **place).is_gone()


def test_a_process_that_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where other users' processes are not shown (hidepid), one that exists is not gone; one that does not, is."""
    other = replace(record.this_process(), pid=2**22 + 1, started="1")
    assert other.is_gone()

    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not other.is_gone()


def test_a_slow_store_is_no_living_holder(store: RecordingStore, clock: Clock) -> None:
    """However long the answers take, a holder that was never seen to renew is replaced, not called alive."""
    take_elsewhere(store, ATOMIC)
    head = store.head

    def slow(key: str) -> Any:
        clock.now += 0.8 * LEASE_S if key == KEYS.lease else 0
        return head(key)

    store.head = slow  # type: ignore[method-assign]
    assert acquire(store, KEYS, ATOMIC, operator(), pause=lambda seconds: None).epoch == 2


def test_a_later_release_may_say_more(store: RecordingStore) -> None:
    """Fields that this release does not know are left alone: a newer one may run beside it."""
    told = json.loads(new_record(3, 60.0).data())
    told = {**told, "region": "eu", "released": True, "holder": {**told["holder"], "node": "n1"}}
    store.write(KEYS.lease, json.dumps(told).encode())
    assert take(store, ATOMIC, at_once).epoch == 4


@KINDS
@pytest.mark.parametrize("data", [b"[" * 60_000, b" " * 70_000, b"9" * 5000], ids=["deep", "long", "large"])
def test_a_hostile_lease(store: RecordingStore, capabilities: Capabilities, data: bytes) -> None:
    """Too deep, too long, too large a number: 74 with the address, as for any damage."""
    key = KEYS.lease if capabilities.create_exclusive else f"{KEYS.leases}e0001-x.json"
    store.write(key, data)
    with pytest.raises(IntegrityError, match=rf"{key}: is no lease"):
        take(store, capabilities)


@pytest.mark.parametrize(
    "wrong",
    [{"lease_s": float("inf")}, {"lease_s": True}, {"epoch": -1}, {"released": "no"}, {"nonce": 1}, {"holder": {}}],
    ids=str,
)
def test_fields_of_another_kind(store: RecordingStore, wrong: dict[str, Any]) -> None:
    """A lease that would never end, or says something else than it seems to, is damaged."""
    store.write(KEYS.lease, json.dumps({**json.loads(new_record(1, 60.0).data()), **wrong}).encode())
    with pytest.raises(IntegrityError, match="is no lease"):
        take(store, ATOMIC)


def test_a_lease_that_is_removed_while_it_is_read(store: RecordingStore) -> None:
    """Then there is none."""
    store.write(KEYS.lease, new_record(3, 60.0).data())
    head = store.head

    def removed(key: str) -> Any:
        found = head(key)
        store.delete(key)
        return found

    store.head = removed  # type: ignore[method-assign]
    assert take(store, ATOMIC, at_once).epoch == 1


def test_attempts_are_bounded(store: RecordingStore) -> None:
    """82 once the allowed attempts were made; a higher limit goes on."""
    for _ in range(2):
        with acquire(store, KEYS, ATOMIC, operator(max_attempts=2), pause=at_once):
            pass
    with pytest.raises(Exhausted, match=r"attempts: 2 made, 2 allowed; .* raise LORARUNER_MAX_ATTEMPTS, or .* --fresh"):
        acquire(store, KEYS, ATOMIC, operator(max_attempts=2), pause=at_once)
    assert acquire(store, KEYS, ATOMIC, operator(max_attempts=3), pause=at_once).epoch == 3


def test_the_last_attempt_is_not_ended_by_others(store: RecordingStore, clock: Clock) -> None:
    """While the last allowed attempt is alive, another one ends with 76: 82 would make Kubernetes kill both."""
    holder = take_elsewhere(store, ATOMIC, max_attempts=1)._claim
    clock.on_pause = lambda now: holder.renew()
    with pytest.raises(Fenced):
        acquire(store, KEYS, ATOMIC, operator(max_attempts=1), pause=clock.pause)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"attempt": 1, "epoch": "x", "lease_s": 1, "holder": {}}', b"\xff"]
)
def test_a_damaged_lease_is_named(store: RecordingStore, data: bytes) -> None:
    """74 with its address, and what to do; nobody guesses an epoch."""
    store.write(KEYS.lease, data)
    with pytest.raises(IntegrityError, match=rf"{KEYS.lease}: is no lease .*remove it and start the job again"):
        take(store, ATOMIC)
    assert store.read(KEYS.lease)[0] == data


def test_without_conditions_it_says_so(store: RecordingStore, caplog: pytest.LogCaptureFixture) -> None:
    """A loud warning, one object an attempt, and names that keep checkpoints apart."""
    with caplog.at_level(logging.WARNING):
        first, second = take(store, ATOMIC), take(store, PLAIN)
    assert "has no conditional writes: two attempts of one run cannot be kept apart for certain" in caplog.text
    assert first.mark == "" and len(second.mark) == 17
    assert [info.key for info in store.list(KEYS.leases)] == [f"{KEYS.leases}e0001{second.mark}.json"]


def test_a_tie_without_conditions(store: RecordingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that announce the same epoch at once: when they renew, one goes on and the other is fenced."""
    leases = [take_elsewhere(RecordingStore(Path(store.uri).parent / name), PLAIN) for name in ("a", "b")]
    for lease in leases:  # both objects in one store, as if written in the same instant
        store.write(f"{KEYS.leases}e0001{lease.mark}.json", lease._claim.record.data())
        monkeypatch.setattr(lease._claim, "_store", store)
    outcomes = []
    for lease in leases:
        try:
            lease.confirm()
            outcomes.append("goes on")
        except Fenced:
            outcomes.append("fenced")
    assert sorted(outcomes) == ["fenced", "goes on"]
