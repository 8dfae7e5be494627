"""Settings, runs and messages for tests with the stand-in of ClickUp."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loraruner import settings
from loraruner.clients.clickup import ClickUpClient, open_client
from loraruner.notifiers.base import Message, Moment, RunFacts
from loraruner.notifiers.clickup import ClickUpNotifier
from loraruner.settings import Settings
from loraruner.spec.model import ClickUpNotice
from loraruner.stores import retry
from tests.support.loop_scripts import ClickUpServer

STARTED = "2026-01-02T03:04:05+00:00"
NOW = 1_767_323_045.0  # the same moment
FACTS: Mapping[str, Any] = {
    **{
        "name": "style",
        "version": "3",
        "address": "s3://loras/style/versions/3/",
        "purpose": "Campaign",
        "success": True,
    },
    **{"version_address": "3: s3://loras/style/versions/3/", "license": "Internal", "expires": "2027-01-01"},
    **{"duration_min": 142.5, "peak_memory_gb": 18.7, "run_id": "style-0123456789ab", "created": STARTED},
}


def environment(server: ClickUpServer, folder: Path, **more: str) -> Settings:
    """Settings that name the stand-in."""
    own = {"CLICKUP_TOKEN": server.token, "CLICKUP_API_URL": server.url, "LORARUNER_CACHE": str(folder / "cache")}
    return settings.load({"HOME": str(folder), **own, **more})


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries again, a store or a client, does so at once."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr("loraruner.clients.http._pause_s", lambda number, asked_s: 0.0)


def hasty(server: ClickUpServer, folder: Path, **more: Any) -> ClickUpClient:
    """A client that makes no pauses."""
    return open_client(environment(server, folder), sleep=lambda pause_s: None, clock=lambda: NOW, **more)


def notifier(server: ClickUpServer, folder: Path, task_id: str, **entry: Any) -> ClickUpNotifier:
    """What a new attempt of the run ``style-0123456789ab`` opens."""
    run = RunFacts("style-0123456789ab", 1, STARTED, "s3://loras/style", {"name": "style", "data": {"uri": "x"}})
    return ClickUpNotifier(ClickUpNotice(task_id=task_id, **entry), task_id, run, hasty(server, folder))


def message(message_id: str, moment: Moment, text: str = "style: training has started", **more: Any) -> Message:
    """One message."""
    return Message(message_id, moment, text, **more)


def finished(folder: Path, **sizes: int) -> Message:
    """A published version with files of so many bytes, by the words of ``notify.attach``; large ones are sparse."""
    folder.mkdir(exist_ok=True)
    names = {"report": "report.html", "samples": "samples.png", "log": "train.log", "weights": "style.safetensors"}
    for word, size in sizes.items():
        with (folder / names[word]).open("wb") as stream:
            stream.truncate(size)
    files = {word: folder / names[word] for word in sizes}
    return message("finished", "finished", "style: version 3 is published", facts=FACTS, files=files)
