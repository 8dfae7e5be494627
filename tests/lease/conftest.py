"""A store, and its clock in the test's hand."""

from pathlib import Path

import pytest

from tests.support.leases import Clock
from tests.support.recording_store import RecordingStore


@pytest.fixture
def store(tmp_path: Path) -> RecordingStore:
    return RecordingStore(tmp_path / "store")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, store: RecordingStore) -> Clock:
    return Clock(monkeypatch, store)
