"""``status.json``: what a run is doing."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from loraruner.errors import Diverged, ExitCode, Paused, TemporaryFailure
from loraruner.events import Evaluated, StageStarted, StepDone, Warned
from loraruner.status import StatusBoard, settle
from tests.support.recording_store import RecordingStore

KEY = "runs/r/status.json"
IDENTITY = {"run_id": "r", "attempt": 2}


def read(store: RecordingStore) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(store.read(KEY)[0])
    schema = Path(__file__).parents[1] / "schemas" / "status.schema.json"
    jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(status)
    return status


@pytest.fixture
def store(tmp_path: Path) -> RecordingStore:
    return RecordingStore(tmp_path / "store")


def test_what_the_events_said(store: RecordingStore) -> None:
    """Stage, step, loss and the time left, as the schema has them."""
    with StatusBoard(store, KEY, IDENTITY) as board:
        for event in (StageStarted("train"), Evaluated(0, 0.5), StepDone(3, 10, 1, 0.25, 1e-4, 2.0)):
            board.see(event)
    status = read(store)
    assert status.pop("updated").endswith("+00:00")
    assert status == {
        **IDENTITY,
        "state": "running",
        "stage": "train",
        "step": 3,
        "total_steps": 10,
        "loss": 0.25,
        "eta_s": 14.0,
        "evaluation_loss": 0.5,
    }


def test_measures_of_the_newest_evaluation(store: RecordingStore) -> None:
    """Error rates stand in the status beside the held-out loss, the newest in place of those before."""
    with StatusBoard(store, KEY, IDENTITY) as board:
        board.see(Evaluated(0, 0.5, {"wer": 0.351, "cer": 0.2}))
        board.see(Evaluated(40, 0.4, {"wer": 0.1, "cer": 0.05}))
    status = read(store)
    assert (status["evaluation_loss"], status["measures"]) == (0.4, {"wer": 0.1, "cer": 0.05})


def test_a_change_of_stage_is_written_at_once(store: RecordingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first state and each new stage do not wait for the heartbeat."""
    monkeypatch.setattr("loraruner.status.HEARTBEAT_S", 3600.0)
    with StatusBoard(store, KEY, IDENTITY) as board:
        board.see(StageStarted("fetch"))
        for _ in range(1000):
            if store.head(KEY) and read(store)["stage"] == "fetch":
                break
            board._closed.wait(0.01)
        assert read(store)["stage"] == "fetch"


def test_a_store_that_is_away_stops_nothing(store: RecordingStore, caplog: pytest.LogCaptureFixture) -> None:
    """A failed write is a warning; the run goes on."""
    store.faults[f"write {KEY}"] = TemporaryFailure("the store is away")
    with StatusBoard(store, KEY, IDENTITY) as board:
        board.see(StageStarted("fetch"))
    assert "status.json was not written: the store is away" in caplog.text


@pytest.mark.parametrize(
    ("error", "code", "state"),
    [(Diverged("nan"), 79, "diverged"), (Paused("flat"), 80, "paused"), (ValueError("x"), 70, "failed")],
)
def test_errors_are_recorded(store: RecordingStore, error: Exception, code: int, state: str) -> None:
    """What ends the run is in its status, whether it was foreseen or not."""
    with pytest.raises(type(error)), StatusBoard(store, KEY, IDENTITY):
        raise error
    status = read(store)
    assert (status["exit_code"], status["state"]) == (code, state)


def test_the_last_word_of_an_older_attempt(store: RecordingStore) -> None:
    """Its late write is written over; ours goes over our own alone, never blindly."""
    with StatusBoard(store, KEY, IDENTITY) as board:
        board.see(StageStarted("train"))
        board._write()
        store.write(KEY, b'{"run_id": "r", "attempt": 1, "state": "failed"}')
    assert read(store)["attempt"] == 2 and read(store)["state"] == "running"


def test_a_store_without_conditions(store: RecordingStore) -> None:
    """Written plainly there, without looking first."""
    with StatusBoard(store, KEY, IDENTITY, replace_if_match=False):
        pass
    assert store.done("head") == [] and read(store)["attempt"] == 2


def test_what_a_kill_left_unsaid(store: RecordingStore) -> None:
    """A run that published and was killed before its last word is told as published; any other is left alone."""
    settle(store, KEY, "3")
    assert store.head(KEY) is None
    with StatusBoard(store, KEY, IDENTITY) as board:
        board.see(StageStarted("publish"))
    settle(store, KEY, "3")
    status = read(store)
    assert (status["state"], status["exit_code"], status["version"], status["attempt"]) == ("published", 0, "3", 2)
    before = len(store.done("write"))
    settle(store, KEY, "3")
    assert len(store.done("write")) == before


def test_the_newest_warnings_are_shown(store: RecordingStore) -> None:
    """Kind, step and text of the last five, oldest first; none before there is one."""
    with StatusBoard(store, KEY, IDENTITY) as board:
        assert "warnings" not in board._fields
        for step in range(7):
            board.see(Warned("plateau", f"flat at {step}", step))
    told = read(store)["warnings"]
    assert told == [{"kind": "plateau", "step": step, "text": f"flat at {step}"} for step in range(2, 7)]


def test_what_ended_a_run_is_written_at_once(store: RecordingStore) -> None:
    """Others may have to be told of a failure before the board is closed: its state does not wait for them."""
    board = StatusBoard(store, KEY, IDENTITY)
    with pytest.raises(TemporaryFailure), board:
        with pytest.raises(TemporaryFailure), board.failing():
            raise TemporaryFailure("the store is away")
        board._write()
        told = read(store)
        assert (told["state"], told["exit_code"], told["reason"]) == ("failed", 75, "the store is away")
        raise TemporaryFailure("the store is away")


def test_a_published_version_is_written_at_once(store: RecordingStore) -> None:
    """Services are still waited for, perhaps for minutes: nobody is to see a running run until then."""
    board = StatusBoard(store, KEY, IDENTITY)
    board.end(ExitCode.OK, version="3")
    assert board._wake.is_set()  # the heartbeat writes now
    with board:
        pass
    assert read(store)["state"] == "published"
