"""What several tests of notifiers need."""

from collections.abc import Iterator

import pytest

from tests.support.loop_scripts import SmartsheetServer
from tests.support.sheets import TOKEN


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmartsheetServer]:
    """The SDK waits no time between its tries."""
    monkeypatch.setattr("smartsheet.smartsheet.time.sleep", lambda pause_s: None)
    with SmartsheetServer(TOKEN) as running:
        yield running
