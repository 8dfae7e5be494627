"""The leave that people give a run to go on after its end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from loraruner.errors import Paused, Preempted
from loraruner.pipeline import Request
from tests.test_pipeline import STEPS, Lab


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """What the pipeline binds to log records ends with the test."""
    yield
    structlog.contextvars.clear_contextvars()


def test_the_leave_to_go_on_outlives_a_stopped_attempt(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before it trained or saved anything, the attempt that was to go on needs no second ``--continue``."""
    lab = Lab(tmp_path, tiny_base)
    flat: dict[str, Any] = {"monitor__on_plateau": "pause", "monitor__plateau_steps": 1, "monitor__min_improvement": 1}
    with pytest.raises(Paused):
        lab.train(**flat)

    def stopped(*args: object) -> None:
        raise Preempted("SIGTERM")

    with monkeypatch.context() as patch, pytest.raises(Preempted):
        patch.setattr("loraruner.pipeline.samples.open_samples", stopped)
        lab.train(request=Request(resume_ended=True), **flat)
    result = lab.train(**flat)
    [run] = (path.name for path in (lab.output / "runs").iterdir())
    assert (result.steps, result.attempts, lab.run_file(run, "status.json")["continued"]) == (STEPS, 3, 1)
