"""A register: one owner at a time, and a decision for good."""

from pathlib import Path

import pytest

from loraruner.errors import IntegrityError, TemporaryFailure
from loraruner.stores.register import Register
from tests.support.recording_store import RecordingStore

KEY = "runs/r/publishing.json"


@pytest.fixture
def store(tmp_path: Path) -> RecordingStore:
    return RecordingStore(tmp_path / "store")


def test_only_its_owner_decides(store: RecordingStore) -> None:
    """Whoever owned it before is refused; the owner's decision is what all later ones are told."""
    first, second = Register(store, KEY), Register(store, KEY)
    assert first.own() is None and second.own() is None
    with pytest.raises(TemporaryFailure, match=r"publishing\.json: somebody else is writing it"):
        first.decide({"version": "1"})
    second.decide({"version": "2"})
    assert first.own() == Register(store, KEY).own() == {"version": "2"}


def test_a_request_that_comes_between(store: RecordingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier owner had under way when the next one looked: its decision counts, its claim does not."""
    earlier, later = Register(store, KEY), Register(store, KEY)
    earlier.own()
    read = store.read

    def overtaken(key: str) -> tuple[bytes, str]:
        found = read(key)
        monkeypatch.setattr(store, "read", read)
        earlier.decide({"version": "1"})
        return found

    monkeypatch.setattr(store, "read", overtaken)
    assert later.own() == {"version": "1"}


def test_a_damaged_register_is_named(store: RecordingStore) -> None:
    """74 with its address; nobody guesses what was decided."""
    store.write(KEY, b"{}")
    with pytest.raises(IntegrityError, match=r"publishing\.json: is damaged or not ours"):
        Register(store, KEY).own()
