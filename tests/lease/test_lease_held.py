"""Holding a run: renewed while it is used, lost for good, never held by two."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from loraruner.errors import Fenced, TemporaryFailure
from loraruner.lease import FencedStore, acquire
from loraruner.lease.record import new_record
from loraruner.stores.base import Capabilities, PreconditionFailed
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
def test_an_owner_that_was_replaced(store: RecordingStore, capabilities: Capabilities, clock: Clock) -> None:
    """It finds its renewal refused, writes nothing more, and says who owns the run."""
    old = take_elsewhere(store, capabilities)
    fenced = FencedStore(store, old)
    fenced.write("runs/r/a", b"1")
    clock.now += 60
    new = take(store, capabilities, clock.pause)
    with pytest.raises(Fenced, match=r"attempt 2 .* owns this run now: attempt 1 ends without writing anything more"):
        old.confirm()
    source = Path(store.uri).parent / "file"
    source.write_bytes(b"late")
    store.calls.clear()
    for late in (
        lambda: fenced.write("runs/r/a", b"late"),
        lambda: fenced.upload(source, "runs/r/b"),
        lambda: fenced.delete("runs/r/a"),
        fenced.probe,
    ):
        with pytest.raises(Fenced):
            late()
    with old:
        pass  # releasing what is another's changes nothing either
    assert store.calls == [] and fenced.read("runs/r/a")[0] == b"1"
    new.confirm()


def test_an_owner_that_slept(store: RecordingStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its lease ran out an owner asks before the next write: it goes on if nobody came, else it is fenced."""
    now = [0.0]
    monkeypatch.setattr("loraruner.lease.keeper.now_s", lambda: now[0])
    monkeypatch.setattr("loraruner.lease.conditional.now_s", lambda: now[0])
    old = take_elsewhere(store, ATOMIC)
    now[0] = LEASE_S - 0.1
    old.require()
    assert lease_json(store)["renewals"] == 0
    now[0] = LEASE_S
    old.require()
    assert lease_json(store)["renewals"] == 1
    clock.now += 60
    take(store, ATOMIC, clock.pause)
    old.require()  # by its own clock it still holds: only the store's condition can tell
    now[0] += LEASE_S
    with pytest.raises(Fenced):
        old.require()


def test_a_failed_condition_makes_sure(store: RecordingStore, clock: Clock) -> None:
    """Whoever meets another's write asks at once whether the run is still its own."""
    old = take_elsewhere(store, ATOMIC)
    fenced = FencedStore(store, old)
    fenced.write("k", b"1", if_absent=True)
    with pytest.raises(PreconditionFailed):
        fenced.write("k", b"2", if_absent=True)
    clock.now += 60
    take(store, ATOMIC, clock.pause)
    with pytest.raises(Fenced):
        fenced.write("k", b"2", if_absent=True)


def test_a_lost_answer_is_no_lost_lease(store: RecordingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal that arrived although its answer did not: the owner recognises its own hand."""
    lease = take(store, ATOMIC)
    write = store.write

    def lost(key: str, data: bytes, **condition: Any) -> str:
        write(key, data, **condition)
        monkeypatch.setattr(store, "write", write)
        raise TemporaryFailure("the answer was lost")

    monkeypatch.setattr(store, "write", lost)
    with pytest.raises(TemporaryFailure):
        lease.confirm()
    lease.confirm()
    lease.confirm()
    assert lease_json(store)["epoch"] == 1


def test_it_renews_by_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A thread renews three times a lease, goes on after a failure, and stops at the end."""
    store = RecordingStore(tmp_path / "store")
    lease = acquire(store, KEYS, ATOMIC, operator(lease_s=1.0), pause=at_once)
    store.faults[f"write {KEYS.lease}"] = TemporaryFailure("away")
    with caplog.at_level(logging.WARNING), lease:
        while "the lease was not renewed, trying again: away" not in caplog.text:
            time.sleep(0.01)
        store.faults.clear()
        while lease_json(store)["renewals"] < 2:
            time.sleep(0.01)
    lease._thread.join(30)
    assert lease_json(store)["released"] and not lease._thread.is_alive()


def test_it_tells_that_it_is_lost(store: RecordingStore) -> None:
    """When another attempt took the run, the thread finds out, and ``check`` raises from then on."""
    lease = acquire(store, KEYS, ATOMIC, operator(lease_s=1.0), pause=at_once)
    with lease:
        store.write(KEYS.lease, new_record(2, 60.0).data())
        lease._thread.join(30)
        with pytest.raises(Fenced, match="attempt 2"):
            lease.check()
    assert lease_json(store)["epoch"] == 2 and not lease_json(store)["released"]


def test_a_lease_counts_from_the_write_that_stands(store: RecordingStore, clock: Clock) -> None:
    """After a lost answer it is written again: what stands there may be of a try long ago, and expires for others."""
    lease = take_elsewhere(store, ATOMIC)
    store.write(KEYS.lease, lease._claim.record.renewed().data())
    clock.now += 60
    lease.confirm()
    assert clock.written[KEYS.lease] == clock.now
    lease.confirm()
    assert lease_json(store)["renewals"] == 3


@KINDS
def test_what_runs_on_after_the_end(store: RecordingStore, capabilities: Capabilities) -> None:
    """A thread that was left to itself writes nothing once the run is given back."""
    with take(store, capabilities) as lease:
        fenced = FencedStore(store, lease)
        fenced.write("k", b"1")
    with pytest.raises(Fenced, match="attempt 1 has ended and writes nothing more"):
        fenced.write("k", b"2")


def test_an_unforeseen_error_does_not_end_the_renewals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a renewal meets, the thread goes on."""
    store = RecordingStore(tmp_path / "store")
    lease = acquire(store, KEYS, ATOMIC, operator(lease_s=1.0), pause=at_once)
    store.faults[f"write {KEYS.lease}"] = RuntimeError("cannot start a thread")
    with caplog.at_level(logging.WARNING), lease:
        while "trying again: cannot start a thread" not in caplog.text:
            time.sleep(0.01)
        store.faults.clear()
        while lease_json(store)["renewals"] < 1:
            time.sleep(0.01)


def test_without_conditions_one_that_has_ended_fences_too(store: RecordingStore, clock: Clock) -> None:
    """An owner that slept while another came, worked and went does not go on under its old epoch."""
    old = take_elsewhere(store, PLAIN)
    clock.now += 60
    with take(store, PLAIN, clock.pause):
        pass
    with pytest.raises(Fenced, match="attempt 2"):
        old.confirm()


def test_a_store_that_hangs_does_not_hold_up_the_end(
    store: RecordingStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Releasing has its time; then the lease expires by itself."""
    monkeypatch.setattr("loraruner.lease.keeper.RELEASE_LIMIT_S", 0.05)
    let_go = threading.Event()
    with caplog.at_level(logging.WARNING), take(store, ATOMIC) as lease:
        monkeypatch.setattr(lease._claim, "release", lambda: let_go.wait(30))
    let_go.set()
    assert "could not be released in time" in caplog.text


def test_a_race_has_one_winner(store: RecordingStore) -> None:
    """Eight attempts at once: one owns the run, seven are fenced."""
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def attempt() -> None:
        barrier.wait()
        try:
            with acquire(store, KEYS, ATOMIC, operator(lease_s=1.0), pause=time.sleep) as lease:
                outcomes.append(f"owner {lease.epoch}")
                done.wait(60)
        except Fenced:
            outcomes.append("fenced")
            if outcomes.count("fenced") == 7:
                done.set()

    done = threading.Event()
    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["fenced"] * 7 + ["owner 1"]
