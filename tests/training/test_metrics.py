"""Metrics files: what they hold, how large they may grow, and what a full disk does to them."""

import json
import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from loraruner.training import metrics
from loraruner.training.metrics import Metrics


def steps(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_tensorboard_reads_the_events(tmp_path: Path) -> None:
    """Losses of steps and all numbers of measurements are charted, as TensorBoard itself reads them."""
    written = Metrics(tmp_path / "metrics.jsonl", tmp_path / "events")
    for step in (1, 2):
        written.write(step, {"epoch": 0, "loss": 0.5 / step, "learning_rate": 0.1, "grad_norm": 2.0, "step_s": 9.0})
    written.write(70_000, {"loss": 0.25, "wer": 0.125}, group="evaluation")
    written.flush()
    Metrics(tmp_path / "more.jsonl", tmp_path / "events").close()  # within the same second: another file
    written.close()
    assert len(list((tmp_path / "events").iterdir())) == 2
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert sorted(events.Tags()["scalars"]) == [
        "evaluation/loss",
        "evaluation/wer",
        "train/grad_norm",
        "train/learning_rate",
        "train/loss",
    ]
    assert [(each.step, each.value) for each in events.Scalars("train/loss")] == [(1, 0.5), (2, 0.25)]
    assert [(each.step, each.value) for each in events.Scalars("evaluation/wer")] == [(70_000, 0.125)]


def test_every_step_of_a_usual_training_is_recorded(tmp_path: Path) -> None:
    """Up to the bound nothing is left out."""
    written = Metrics(tmp_path / "metrics.jsonl", tmp_path / "events")
    written.thin(metrics.MAX_RECORDED_STEPS)
    for step in range(1, 50):
        written.write(step, {"loss": 0.1})
    written.close()
    assert steps(tmp_path / "metrics.jsonl") == list(range(1, 50))


def test_a_very_long_training_is_thinned_by_step_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First and last stay, of the others every n-th, whichever attempt does them; measurements all stay."""
    monkeypatch.setattr(metrics, "MAX_RECORDED_STEPS", 10)
    for attempt in (range(1, 18), range(14, 36)):
        written = Metrics(tmp_path / "metrics.jsonl", tmp_path / "events")
        written.thin(35)
        for step in attempt:
            written.write(step, {"loss": 0.1})
            if step == 33:
                written.write(step, {"loss": 0.1}, group="evaluation")
        written.close()
    assert steps(tmp_path / "metrics.jsonl") == [1, 4, 8, 12, 16, 16, 20, 24, 28, 32, 33, 35]


@pytest.mark.parametrize("full", ["metrics.jsonl", "events"])
def test_a_full_disk_is_told_where_it_is_met(tmp_path: Path, full: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing raises the error in the thread that trains, by the file's name; closing raises nothing more."""
    written = Metrics(tmp_path / "metrics.jsonl", tmp_path / "events")
    written.close()
    if full == "events":
        shutil.rmtree(tmp_path / "events")
        monkeypatch.setattr(metrics._Events, "_name", lambda self, folder: Path("/dev/full"))
        with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
            Metrics(tmp_path / "metrics.jsonl", tmp_path / "events")
        return
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    written = Metrics(tmp_path / "metrics.jsonl", tmp_path / "events")
    with pytest.raises(OSError, match=r"No space left on device: '.*metrics\.jsonl'"):
        written.write(1, {"loss": 0.5})
    written.close()
