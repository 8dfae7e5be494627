"""What several tests of notifiers need."""

from collections.abc import Iterator

import pytest

from tests.support import clickup
from tests.support.loop_scripts import ClickUpServer, SmartsheetServer
from tests.support.sheets import TOKEN


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmartsheetServer]:
    """The SDK waits no time between its tries."""
    monkeypatch.setattr("smartsheet.smartsheet.time.sleep", lambda pause_s: None)
    with SmartsheetServer(TOKEN) as running:
        yield running


@pytest.fixture
def server() -> Iterator[ClickUpServer]:
    """ClickUp; tests of another service have a server of their own."""
    with ClickUpServer(clock=lambda: clickup.NOW) as running:
        yield running


@pytest.fixture
def task(server: ClickUpServer) -> str:
    """A task on it."""
    return server.create_task("Campaign style")
