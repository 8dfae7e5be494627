"""What ``loraruner train`` tells a person: the table on a terminal, and the live line."""

import io
import sys

import pytest

from loraruner.cli.output import emit
from loraruner.cli.progress import watched
from loraruner.cli.train import _brief
from loraruner.events import Evaluated, StageStarted, StepDone
from loraruner.result import RunResult


def result(measures: dict[str, float], selected_step: int = 80) -> RunResult:
    return RunResult(
        name="dialect",
        run_id="dialect-0123456789ab",
        version="1",
        uri="out/dialect/versions/1/",
        already_published=False,
        attempts=1,
        steps=120,
        first_loss=2.0,
        last_loss=0.5,
        evaluation_before=2.1,
        evaluation_after=0.6,
        selected_step=selected_step,
        measures=measures,
        files=("README.md",),
    )


def test_error_rates_and_the_published_step_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A pair of measures is one line, rates in percent; the published step is named unless it is the last."""
    emit(_brief(result({"wer.before": 0.351, "wer.after": 0.062, "neon": 0.7})), format="table")
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"word error rate, normalised 35.1 % -> 6.2 %", "steps 120", "weights of step 80"} <= set(lines)


def test_the_last_step_is_not_named_twice() -> None:
    """A version of the last step's weights has no line for them."""
    assert "weights of step" not in _brief(result({}, selected_step=120))


def test_the_json_has_every_measure() -> None:
    """What a script reads: the numbers by their names."""
    document = result({"wer.before": 0.351, "wer.after": 0.062}).document()
    assert (document["selected_step"], document["measures"]) == (80, {"wer.before": 0.351, "wer.after": 0.062})


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        (Evaluated(40, 0.6, {"wer": 0.062, "cer": 0.03}), "GB  wer 0.0620"),
        (Evaluated(40, 0.6), "GB  held-out loss 0.6000"),
    ],
)
def test_the_live_line_has_the_newest_measurement(
    measured: Evaluated, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error rate where one is measured, else the held-out loss, behind the figures of the step."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with watched(True) as tell:
        for event in (StageStarted("train"), measured, StepDone(41, 120, 0, 0.5, 1e-3, 0.5)):
            tell(event)
    assert told in capsys.readouterr().err


def test_a_later_stage_starts_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After training the live line counts no steps any more."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with watched(True) as tell:
        tell(StepDone(120, 120, 0, 0.5, 1e-3, 0.5))
        tell(StageStarted("sample"))
    last = capsys.readouterr().err.rpartition("sample")[2]
    assert "/120" not in last


def test_the_live_line_leaves_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never hidden while the line is shown: a process that is killed could not bring it back."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with watched(live=True) as tell:
        tell(StageStarted("train"))
        assert screen.getvalue().rfind("\x1b[?25h") > screen.getvalue().rfind("\x1b[?25l") >= 0
