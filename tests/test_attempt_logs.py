"""Logs and metrics of several attempts, put together."""

import json
from pathlib import Path

import pytest

from loraruner import attempt_logs
from loraruner.workspace import RunKeys, Workspace, open_workspace
from tests.support.recording_store import RecordingStore

KEYS = RunKeys("r")


def line(step: int, loss: float, group: str = "train") -> str:
    return json.dumps({"step": step, "group": group, "loss": loss}) + "\n"


def write(workspace: Workspace, attempt: int, metrics: str) -> None:
    workspace.tensorboard(attempt).mkdir(parents=True)
    workspace.metrics(attempt).write_text(metrics)
    workspace.train_log(attempt).write_text(f'{{"attempt": {attempt}}}\n')
    (workspace.tensorboard(attempt) / f"events.{attempt}").write_bytes(b"events")


@pytest.fixture
def gathered(tmp_path: Path) -> Path:
    """Attempt 1 on another machine was killed after step 3; attempt 2 resumed from step 2."""
    store = RecordingStore(tmp_path / "store")
    elsewhere = open_workspace(tmp_path / "elsewhere", "r", "store", 1)
    write(elsewhere, 1, line(0, 9.0, "evaluation") + line(1, 1.0) + line(2, 2.0) + line(3, 3.0) + '{"step": 4, "gr')
    attempt_logs.ship(elsewhere, store, KEYS, 1)
    workspace = open_workspace(tmp_path / "here", "r", "store", 1)
    write(workspace, 2, line(3, 30.0) + line(4, 40.0) + line(4, 90.0, "evaluation"))
    workspace.version.mkdir()
    attempt_logs.gather(workspace, store, KEYS, 2)
    return workspace.version


def test_a_step_counts_once(gathered: Path) -> None:
    """The later attempt wins, a line that the kill cut short is left out, and all is in order."""
    records = attempt_logs.read_metrics(gathered / "metrics.jsonl")
    assert [tuple(each[key] for key in ("step", "group", "loss")) for each in records] == [
        (0, "evaluation", 9.0),
        (1, "train", 1.0),
        (2, "train", 2.0),
        (3, "train", 30.0),
        (4, "train", 40.0),
        (4, "evaluation", 90.0),
    ]


def test_logs_follow_each_other(gathered: Path) -> None:
    """``train.log`` has all attempts in order; TensorBoard's files lie side by side."""
    assert [json.loads(each)["attempt"] for each in (gathered / "train.log").read_text().splitlines()] == [1, 2]
    assert sorted(path.name for path in (gathered / "tensorboard").iterdir()) == ["events.1", "events.2"]


@pytest.mark.parametrize("harm", ["\udcff", "[" * 60_000, "{}", "[1]", '{"group": "train", "step": "x"}', "\0\0"])
def test_damaged_lines_are_left_out(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    """What became of a log in the store never ends a run that has trained: the rest counts, and a warning names it."""
    workspace = open_workspace(tmp_path, "r", "store", 1)
    write(workspace, 1, "")
    text = line(1, 1.0) + harm + "\n" + line(2, 2.0)
    workspace.metrics(1).write_bytes(text.encode(errors="surrogateescape"))
    workspace.version.mkdir()
    attempt_logs.gather(workspace, RecordingStore(tmp_path / "store"), KEYS, 1)
    assert [each["step"] for each in attempt_logs.read_metrics(workspace.version / "metrics.jsonl")] == [1, 2]
    assert "line 2 is damaged and left out" in caplog.text
