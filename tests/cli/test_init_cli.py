"""``loraruner init``: a starter that validates, with the schema beside it."""

import json
from pathlib import Path

import pytest

from loraruner.cli import run
from loraruner.spec import TASKS, catalog


@pytest.mark.parametrize("task", TASKS)
def test_starter_validates_and_editors_find_the_schema(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The written job is valid, and its $schema names the file that lies beside it."""
    job = tmp_path / "new" / "my-job.json"
    assert run(["init", task, "--output", str(job)]) == 0
    schema = job.parent / json.loads(job.read_text())["$schema"]
    assert schema.read_text() == catalog.schema_text()
    assert json.loads(capsys.readouterr().out)["written"] == [str(job), str(schema)]
    assert run(["validate", str(job)]) == 0


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """An existing job is a usage error; an existing schema stays as it is."""
    job, schema = tmp_path / "job.json", tmp_path / "job.schema.json"
    schema.write_text("mine")
    assert run(["init", "text-to-image", "--output", str(job)]) == 0
    job.write_text("edited")
    assert run(["init", "text-to-image", "--output", str(job)]) == 2
    assert (job.read_text(), schema.read_text()) == ("edited", "mine")


def test_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place that takes no file is 77 in one sentence."""
    (tmp_path / "file").write_text("")
    assert run(["init", "text-to-image", "--output", str(tmp_path / "file" / "job.json")]) == 77
    assert capsys.readouterr().err.startswith("error 77 NO_PERMISSION: ")
