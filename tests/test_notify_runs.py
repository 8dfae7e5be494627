"""Real runs that tell: what arrives, what the run's records say of it, and that a second start repeats nothing."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import structlog
from jsonschema import Draft202012Validator

from loraruner import pipeline, settings
from loraruner.errors import EnvironmentUnfit, InputMissing, NoPermission, Preempted
from loraruner.events import Event, StepDone
from loraruner.pipeline import Request
from loraruner.registry import validate_manifest
from loraruner.training.signals import StopSignal
from tests.support.listeners import SECRET
from tests.support.loop_scripts import SmartsheetServer, WebhookReceiver
from tests.support.pictures import write_pictures
from tests.support.tiny_training import job

TOKEN = "planted-smartsheet-token"


class Loop:
    """A job on two pictures, the machine that runs it, and those who are told."""

    def __init__(self, folder: Path, base: Path, receiver: WebhookReceiver, server: SmartsheetServer) -> None:
        self.folder, self.receiver, self.server = folder, receiver, server
        self.sheet_id = server.add_sheet("Adapters", {"Project": "TEXT_NUMBER"})
        write_pictures(folder / "data", 2)
        self.fields: dict[str, Any] = {
            "model__base": str(base),
            "data__uri": str(folder / "data"),
            "output__uri": str(folder / "out"),
            "options__resolution": 32,
            "training__max_steps": 2,
            "training__batch_size": 1,
            "training__precision": "fp32",
            "sampling__prompts": [],
            "lora__rank": 2,
            "notify": [
                {"kind": "webhook"},
                {"kind": "smartsheet", "sheet_id": self.sheet_id, "create_columns": True},
            ],
        }
        self.variables = {
            "HOME": str(folder / "home"),
            "LORARUNER_WEBHOOK_URL": receiver.url,
            "LORARUNER_WEBHOOK_SECRET": SECRET,
            "SMARTSHEET_API_URL": server.url,
            "SMARTSHEET_TOKEN": TOKEN,
        }

    def train(self, *, stop_after: int | None = None, **overrides: Any) -> Any:
        stop = StopSignal()

        def see(event: Event) -> None:
            if isinstance(event, StepDone) and event.step == stop_after:
                stop.received = "SIGTERM"

        spec = job(**{**self.fields, **overrides})
        return pipeline.train(spec, Request(), settings.load(self.variables), see, stop)

    @property
    def told(self) -> list[str]:
        return [event["id"] for event in self.receiver.events]

    def document(self, pattern: str) -> dict[str, Any]:
        (path,) = self.folder.glob(f"out/tiny/{pattern}")
        document: dict[str, Any] = json.loads(path.read_text())
        return document


@pytest.fixture
def loop(tmp_path: Path, tiny_base: Path) -> Iterator[Loop]:
    with WebhookReceiver(SECRET) as receiver, SmartsheetServer(TOKEN) as server:
        yield Loop(tmp_path, tiny_base, receiver, server)
    structlog.contextvars.clear_contextvars()


def test_a_run_tells_and_its_records_say_so(loop: Loop) -> None:
    """Everybody hears of start, epochs and version; manifest and status count it, and a second start says no more."""
    result = loop.train()
    assert loop.told == ["started", "epoch-1", "finished"]
    (row,) = loop.server.rows(loop.sheet_id)
    assert row["Version address"] == f"1: {result.uri}" and row["Success"] is True and row["Number of samples"] == 2
    manifest, status = loop.document("versions/1/manifest.json"), loop.document("runs/*/status.json")
    validate_manifest(manifest)
    Draft202012Validator(json.loads((files("loraruner.schemas") / "status.schema.json").read_text())).validate(status)
    assert [each["key"] for each in manifest["notifications"]] == ["webhook", f"smartsheet:{loop.sheet_id}"]
    assert [(each["sent"], each["failed"]) for each in status["notifications"]] == [(3, 0), (2, 0)]
    assert loop.document("runs/*/told.json")["webhook"] == loop.told
    assert loop.train().already_published and len(loop.receiver.requests) == 3
    for path in (loop.folder / "out").rglob("*"):
        if path.is_file():
            assert not any(secret.encode() in path.read_bytes() for secret in (SECRET, TOKEN, loop.receiver.url))


def test_a_stopped_run_that_goes_on(loop: Loop) -> None:
    """A stop alarms nobody; the next attempt tells only what is new, in the same row."""
    with pytest.raises(Preempted):
        loop.train(stop_after=1)
    assert loop.told == ["started"]
    loop.train()
    assert loop.told == ["started", "epoch-1", "finished"] and len(loop.receiver.requests) == 3
    assert len(loop.server.rows(loop.sheet_id)) == 1


def test_services_that_are_away(loop: Loop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The run publishes all the same, its status says why nobody heard of it, and the next start makes up for it."""
    monkeypatch.setattr("loraruner.clients.http.TRIES", 1)
    monkeypatch.setattr("loraruner.notifiers.smartsheet.PAUSES_S", ())
    loop.receiver.answer(503, {"error": "maintenance"}, times=3)
    loop.server.fail(500, 4000, times=2)
    loop.train()
    assert loop.told == []
    counts = loop.document("runs/*/status.json")["notifications"]
    assert [(each["sent"], each["failed"]) for each in counts] == [(0, 3), (0, 2)]
    assert "maintenance" in counts[0]["last_error"]
    assert caplog.text.count("webhook was not told, the run goes on") == 1
    assert loop.train().already_published
    assert loop.told == ["finished"] and loop.server.rows(loop.sheet_id)[0]["Success"] is True


def test_missing_data_is_told(loop: Loop) -> None:
    """A job that cannot even begin says so; a sheet shows runs, and this is none."""
    with pytest.raises(InputMissing):
        loop.train(data__uri=str(loop.folder / "none"))
    (event,) = loop.receiver.events
    assert event["event"] == "failed" and event["data"]["code"] == 66 and event["run"]["attempt"] == 0
    assert loop.server.rows(loop.sheet_id) == []


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [("SMARTSHEET_TOKEN", "", EnvironmentUnfit), ("LORARUNER_ALLOWED_HOSTS", "hooks.example.com", NoPermission)],
)
def test_what_is_known_in_advance_ends_a_job_at_once(
    loop: Loop, variable: str, value: str, error: type[Exception]
) -> None:
    """Before anything is fetched, and ``validate --remote`` says the same."""
    loop.variables |= {variable: value}
    if variable == "LORARUNER_ALLOWED_HOSTS":
        loop.fields["notify"] = [{"kind": "webhook", "url": "https://elsewhere.example.com/"}]
    with pytest.raises(error, match=r"\$\.notify\["):
        loop.train()
    with pytest.raises(error, match=r"\$\.notify\["):
        pipeline.check(job(**loop.fields), settings.load(loop.variables))
    assert not (loop.folder / "out").exists()
