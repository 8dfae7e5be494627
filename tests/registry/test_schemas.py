"""The schemas of manifest and status against what the code writes."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from loraruner.errors import ExitCode
from loraruner.events import Evaluated, StageStarted, StepDone, Warned
from loraruner.registry import validate_manifest
from loraruner.spec import TASKS
from loraruner.spec.catalog import RESOURCES
from loraruner.status import StatusBoard
from loraruner.stores import open_store
from tests.support import published


def schema(name: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((files(RESOURCES) / name).read_text())
    return parsed


@pytest.mark.parametrize("name", ["manifest.schema.json", "status.schema.json"])
def test_schema_is_valid(name: str) -> None:
    """Each schema is a valid 2020-12 schema that is closed at the top and describes every property."""
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["additionalProperties"] is False
    assert [key for key, node in schema(name)["properties"].items() if "description" not in node] == []


@pytest.mark.parametrize("task", TASKS)
def test_manifest_of_each_task(task: str) -> None:
    """What ``build_manifest`` and publishing write together is valid, and no key of the schema is left out."""
    core = json.loads(json.dumps(published.document(task)))
    entry = {"name": "README.md", "size": 3, "sha256": published.DIGEST}
    document = published.signed({**core, "version": "3", "files": [entry]})
    validate_manifest(document)
    assert document.keys() == schema("manifest.schema.json")["properties"].keys()


def test_manifest_without_evaluation() -> None:
    """A run that held nothing out and tried no prompt has a valid manifest."""
    document = published.document()
    nothing: dict[str, Any] = {"evaluation_before": None, "evaluation_after": None, "best_evaluation": None}
    document["metrics"].update(nothing, samples={}, trials=[])
    entry = {"name": "README.md", "size": 3, "sha256": published.DIGEST}
    validate_manifest({**document, "version": "1-0123456789ab", "files": [entry]})


def test_manifest_names_the_published_step() -> None:
    """The measurement after training is that of the weights that are published, not that of the last step."""
    metrics = published.document("automatic-speech-recognition")["metrics"]
    assert (metrics["selected_step"], metrics["evaluation_after"]["step"]) == (240, 240)
    assert (metrics["evaluation_before"]["wer"], metrics["evaluation_after"]["wer"]) == (0.351, 0.062)
    assert metrics["trials"][0]["reference"] == "Open the seacock."
    assert published.document()["metrics"]["selected_step"] == 350


def test_manifest_without_a_selected_step() -> None:
    """A version from before steps were selected is still valid: versions never change."""
    document = published.document()
    del document["metrics"]["selected_step"]
    for trial in document["metrics"]["trials"]:
        del trial["reference"]
    validate_manifest({**document, "files": [{"name": "README.md", "size": 3, "sha256": published.DIGEST}]})


def test_status_of_a_run(tmp_path: Path) -> None:
    """Every ``status.json`` of a run is valid, from the first heartbeat to its end."""
    store = open_store(str(tmp_path), published.settings(tmp_path))
    board = StatusBoard(store, "status.json", {"run_id": "neon-1", "attempt": 1})
    written = []
    with board:
        written.append(seen(board, tmp_path))
        board.see(StageStarted("train"))
        board.see(Evaluated(0, 0.19, {"wer": 0.351}))
        board.see(StepDone(1, 350, 0, 0.21, 2e-3, 0.25))
        board.see(Warned("plateau", "the loss has not fallen for 500 steps", 1))
        board.set(monitor_digest="ab" * 32, continued=1)
        written.append(seen(board, tmp_path))
        told = {"kind": "webhook", "key": "webhook", "sent": 2, "failed": 1, "last_error": "away"}
        board.set(notifications=[told])
        failure = {"state": "failed", "exit_code": int(ExitCode.TEMPFAIL), "exit_name": "TEMPFAIL", "reason": "away"}
        board.set(**failure)
    written.append(json.loads((tmp_path / "status.json").read_text()))
    board.set(state="published", version="1", exit_code=0, exit_name="OK")
    written.append(seen(board, tmp_path))
    validator = Draft202012Validator(schema("status.schema.json"))
    assert [fault.message for status in written for fault in validator.iter_errors(status)] == []
    keys = {key for status in written for key in status}
    assert keys == schema("status.schema.json")["properties"].keys()


def seen(board: StatusBoard, folder: Path) -> dict[str, Any]:
    """The board's state as it is written now."""
    board._write()
    status: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return status
