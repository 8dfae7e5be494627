"""The walked examples: adding a case is adding a file to tests/jobs."""

import json
from pathlib import Path

import pytest

from loraruner import spec
from loraruner.spec import catalog

JOBS = Path(__file__).parents[1] / "jobs"
VALID = sorted((JOBS / "valid").glob("*.json"))
INVALID = sorted((JOBS / "invalid").glob("*.json"))


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid_job_survives_the_round_trip(path: Path) -> None:
    """A valid job loads, and its document with all defaults loads to an equal spec."""
    loaded = spec.load(path.read_bytes())
    document = spec.to_document(loaded.spec)
    assert spec.load(json.dumps(document).encode()).spec == loaded.spec


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid_job_reports_exactly_its_faults(path: Path) -> None:
    """An invalid job reports the lines of the .txt file beside it, all at once."""
    with pytest.raises(spec.JobInvalid) as caught:
        spec.load(path.read_bytes())
    assert [str(fault) for fault in caught.value.faults] == path.with_suffix(".txt").read_text().splitlines()


def test_every_expectation_has_its_job() -> None:
    """No .txt file is left over without its job."""
    assert {path.stem for path in (JOBS / "invalid").glob("*.txt")} == {path.stem for path in INVALID}


@pytest.mark.parametrize("task", spec.TASKS)
def test_starter_is_valid(task: str) -> None:
    """What ``loraruner init`` writes has no fault and no warning, and is a job of that task."""
    loaded = spec.load(catalog.starter_text(task).encode())
    assert (loaded.spec.task, loaded.warnings) == (task, ())
