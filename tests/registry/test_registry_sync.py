"""Scores from a sheet become reviews, once."""

from pathlib import Path

import pytest

from loraruner.registry import list_versions
from loraruner.registry.sync import sync_scores
from loraruner.settings import Settings
from tests.support import published, registered

BY = "smartsheet:7"


@pytest.fixture
def operator(tmp_path: Path) -> Settings:
    return published.settings(tmp_path / "home")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    registered.write_version(tmp_path / "loras", version="1")
    registered.write_version(tmp_path / "loras", "pixel-hero")
    return tmp_path / "loras"


@pytest.mark.parametrize("below", ["", "/neon-style"])
def test_the_same_score_is_added_once(output: Path, operator: Settings, below: str) -> None:
    """A changed score is a new review; of one sheet the newest counts; runs without a version here are counted."""
    uri, scores = f"{output}{below}/", {"neon-style-run-1": 4.0, "elsewhere": 3.0, "pixel-hero-run-1": 0.0}
    first = sync_scores(uri, operator, scores, by=BY)
    assert {key: first[key] for key in ("scores", "added", "unchanged", "unknown", "refused")} == {
        "scores": 3, "added": 1, "unchanged": 0, "unknown": 1, "refused": 1
    }  # fmt: skip
    assert first["versions"][0]["uri"] == f"{output}/neon-style/versions/1"
    again = sync_scores(uri, operator, scores, by=BY)
    assert (again["added"], again["unchanged"]) == (0, 1)
    assert sync_scores(uri, operator, {"neon-style-run-1": 5.0}, by=BY)["added"] == 1
    assert sync_scores(uri, operator, {"neon-style-run-1": 4.0}, by=BY)["added"] == 1
    (row,) = [row for row in list_versions(str(output), operator) if row["name"] == "neon-style"]
    assert (row["score"], row["reviews"]) == (4.0, 3)


@pytest.mark.parametrize("score", [0.0, 5.1, -3.0, float("inf")])
def test_what_is_no_score(output: Path, operator: Settings, score: float, caplog: pytest.LogCaptureFixture) -> None:
    """A cell beyond 1 to 5 is told with its run, and adds nothing."""
    told = sync_scores(str(output), operator, {"neon-style-run-1": score}, by=BY)
    assert (told["refused"], told["added"]) == (1, 0)
    assert "run neon-style-run-1" in caplog.text
