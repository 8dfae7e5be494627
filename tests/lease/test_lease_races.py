"""Attempts that freeze, die and wake up, requests that are lost or late: what holds in every order of events."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loraruner import publish
from loraruner.errors import Fenced, TemporaryFailure
from loraruner.files import digest_bytes
from loraruner.lease import FencedStore, acquire
from loraruner.status import StatusBoard
from loraruner.stores.base import PreconditionFailed
from loraruner.stores.register import Register
from tests.support.leases import ATOMIC, KEYS, operator
from tests.support.scheduled_store import ScheduledStore

NUM_RIVALS = 6
SEEDS = range(60)
MANY_SEEDS = range(1, 1000, 2)  # those in which a manifest is often an attempt's last request


class Rules:
    """What must be true after every change of the store; ``broken`` says what was not."""

    def __init__(self) -> None:
        self.owner, self.attempt, self.broken = (0, ""), 0, list[str]()
        self.manifests: dict[str, bytes] = {}

    def look(self, store: ScheduledStore, key: str) -> None:
        if key == KEYS.lease:
            lease = store.document(key)
            new = (lease["epoch"], lease["nonce"])
            if new != self.owner and new[0] <= self.owner[0]:
                self.broken.append(f"owner {new} after {self.owner}")
            self.owner = new
        if key == KEYS.status:
            if (attempt := store.document(key)["attempt"]) < self.attempt:
                self.broken.append(f"status of attempt {attempt} over that of {self.attempt}")
            self.attempt = attempt
        for name in [name for name in store.objects if name.endswith("/manifest.json")]:
            manifest = self.manifests.setdefault(name, store.objects[name])
            if not whole(store, manifest) or store.objects[name] != manifest or len(self.manifests) > 1:
                self.broken.append(f"{name} after {key} changed")
        if "latest.json" in store.objects and not self.manifests:
            self.broken.append("a pointer to nothing")


def whole(store: ScheduledStore, manifest: bytes) -> bool:
    """Every file as the manifest has it, and no other."""
    told = json.loads(manifest)
    prefix = f"versions/{told['version']}/"
    found = {key.removeprefix(prefix): data for key, data in store.objects.items() if key.startswith(prefix)}
    found.pop("manifest.json", None)
    return {name: digest_bytes(data).sha256 for name, data in found.items()} == {
        entry["name"]: entry["sha256"] for entry in told["files"]
    }


def attempt(store: ScheduledStore, folder: Path, ended: list[str]) -> None:
    """Take the run, write as an attempt writes, publish, release."""
    try:
        lease = acquire(store, KEYS, ATOMIC, operator(max_attempts=99), pause=store.pause)
        fenced = FencedStore(store, lease)
        StatusBoard(fenced, KEYS.status, {"attempt": lease.epoch})._write()
        folder.mkdir()
        (folder / "adapter.safetensors").write_bytes(b"the same of every attempt")
        (folder / "report.html").write_bytes(f"of {folder.name}, attempt {lease.epoch}".encode())
        version = publish.reserve(fenced, "auto", KEYS.run_id, ATOMIC)
        document = {"run_id": KEYS.run_id, "created": "2026-01-01T00:00:00+00:00"}
        ended.append(publish.publish(fenced, ATOMIC, version, folder, document).version)
        lease._release()
    except (Fenced, TemporaryFailure, PreconditionFailed) as error:
        ended.append(type(error).__name__)


def play(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Rules:
    """Rivals under faults, then one more attempt without any, then whatever is late arrives."""
    rules, ended = Rules(), list[str]()
    store = ScheduledStore(seed, rules.look)
    store.fatal = ("", "/manifest.json")[seed % 2]
    for place in ("keeper.now_s", "conditional.now_s", "waiting.time.monotonic"):
        monkeypatch.setattr(f"loraruner.lease.{place}", store.clock_s)
    programs: list[Callable[[], None]] = [
        lambda number=number: attempt(store, folder / str(number), ended)  # type: ignore[misc]
        for number in range(NUM_RIVALS)
    ]
    store.run(programs)
    store.faulty = False
    ended.clear()
    store.run([lambda: attempt(store, folder / "last", ended)])
    while store.late:
        store.arrive(store.random.randrange(len(store.late)))
    # "2": a reservation that was late took the first number; Fenced: a renewal that was late looked like a sign of life
    assert ended in (["1"], ["2"], ["Fenced"]), (seed, ended)
    return rules


def test_in_every_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs rise, an older attempt never has the last word, one version is published and stays whole, none hangs."""
    monkeypatch.setattr("loraruner.files.os.fsync", lambda descriptor: None)
    for seed in SEEDS:
        (tmp_path / str(seed)).mkdir()
        assert not play(seed, tmp_path / str(seed), monkeypatch).broken, seed


def test_the_rules_are_strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same orders without the register: a manifest that is late lists what a later attempt has replaced."""
    monkeypatch.setattr("loraruner.files.os.fsync", lambda descriptor: None)
    monkeypatch.setattr(Register, "own", lambda self: None)
    monkeypatch.setattr(Register, "decide", lambda self, decision: None)
    for seed in MANY_SEEDS:
        (tmp_path / str(seed)).mkdir()
        if broken := play(seed, tmp_path / str(seed), monkeypatch).broken:
            break
    assert broken and all("manifest.json after" in each for each in broken)
