"""A studio whose trainings are only noted."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from loraruner.dispatch import local
from tests.support.dispatching import Studio
from tests.support.loop_scripts import ClickUpServer


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """Its clock goes on by a second at each look, so that no two moments are one."""
    seconds = count(1_700_000_000)
    with ClickUpServer(clock=lambda: float(next(seconds))) as server:
        server.add_field("Rank", "number")
        server.add_field("Prompts", "text")
        server.add_field("Team", "drop_down", ["brand", "games"])
        made = Studio(server, tmp_path / "loras")
        trainings = made.trainings
        monkeypatch.setattr(
            local.Children, "train", lambda children, job, run_id: trainings.train(children, job, run_id)
        )
        yield made
