"""Rows: what a manifest or the end of a run becomes, and what is refused as none."""

from typing import Any

import pytest

from loraruner.registry.rows import KINDS, clean, of_failure, of_manifest, tidy
from loraruner.spec import TASKS
from tests.support import registered


@pytest.mark.parametrize("task", TASKS)
def test_every_field_of_every_task(task: str) -> None:
    """A version's row has exactly the fields of a row, with what its manifest and job say."""
    made = of_manifest(registered.manifest(task=task, labels={"team": "brand"}), is_latest=True)
    assert list(made) == list(KINDS)
    job = registered.manifest(task=task)["job"]
    batch = job["training"]["batch_size"] * job["training"]["gradient_accumulation_steps"]
    assert (made["team"], made["rank"], made["batch"]) == ("brand", job["lora"]["rank"], batch)
    assert (made["minutes"], made["latest"], made["status"]) == (pytest.approx(1.7785, abs=1e-3), True, "candidate")


def test_a_run_without_a_version() -> None:
    """The end of a run tells its state, code, steps and how long it took; a run that goes on is no row."""
    job = {"created": "2026-11-22T07:00:00+00:00", "job": registered.manifest()["job"]}
    status = {"state": "diverged", "exit_code": 79, "step": 17, "loss": 5.5, "updated": "2026-11-22T07:30:00+00:00"}
    made = of_failure(status, job, "neon-1")
    assert made is not None
    told = ("neon-style", None, None, "diverged", 79, 17, 30.0)
    assert tuple(made[key] for key in ("name", "version", "status", "state", "exit_code", "steps", "minutes")) == told
    assert of_failure({**status, "exit_code": None}, job, "neon-1") is None


@pytest.mark.parametrize(
    "status",
    [
        {"state": "a\x1b[31mb", "exit_code": 79},
        {"state": "diverged", "exit_code": "79"},
        {"state": "diverged", "exit_code": 7900},
        {"state": ["diverged"], "exit_code": 79},
    ],
)
def test_an_end_that_is_none(status: dict[str, Any]) -> None:
    """A status that says nothing a run could say makes no row."""
    assert of_failure(status, {}, "neon-1") is None


def test_an_end_with_wrong_types() -> None:
    """What is no number or no text is left out, and the run is still listed."""
    status = {"state": "failed", "exit_code": 70, "step": "x", "loss": [], "updated": 5}
    made = of_failure(status, {"job": {"name": "neon", "lora": 3, "labels": [], "data": {"uri": {}}}}, "neon-1")
    assert made is not None and (made["steps"], made["last_loss"], made["rank"], made["data"]) == (None, None, None, "")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../x"},
        {"name": ".registry"},
        {"run_id": "a/b"},
        {"version": "a b"},
        {"steps": "350"},
        {"steps": True},
        {"last_loss": 1e300},
        {"status": "famous"},
        {"status": None},
        {"labels": []},
        {"latest": 1},
    ],
)
def test_what_is_no_row(change: dict[str, Any]) -> None:
    """A faked row with a wrong type, name or status is refused."""
    with pytest.raises(ValueError):
        tidy({**registered.row(), **change})


def test_texts_are_bounded_and_plain() -> None:
    """What people see has one line, no control characters, no credentials, and an end; endless numbers are none."""
    labels = {f"k{number}": "v" for number in range(100)}
    made = tidy({**registered.row(), "team": "a\x1b[2J\nb" + "c" * 900, "last_loss": float("nan"), "labels": labels})
    assert made["team"].startswith("a�[2J b") and len(made["team"]) == 200
    assert made["last_loss"] is None and len(made["labels"]) == 16
    assert "hunter22" not in clean("https://me:hunter22@host/x", 200)
    assert "hunter22" not in clean("s3://b/k?X-Amz-Signature=hunter22hunter22", 200)
    assert clean("2026-11-22T08:00:00+00:00", 200) == "2026-11-22T08:00:00+00:00"
