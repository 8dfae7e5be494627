"""The report on a speech version: error rates first, the worst clips with wrong words marked, curves of the words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from loraruner.report import write_report
from loraruner.report.curves import curves
from tests.support import heard_clips
from tests.support.charts import strokes, words
from tests.support.report_page import HOSTILE, Page, page


def write_counts(folder: Path, *rows: dict[str, Any]) -> None:
    """``samples/transcripts.jsonl`` with these rows."""
    (folder / "samples").mkdir()
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "samples/transcripts.jsonl").write_text(text, encoding="utf-8")


def report(folder: Path, document: dict[str, Any]) -> Page:
    return page(folder, document, heard_clips.metrics())


def test_error_rates_come_first(tmp_path: Path) -> None:
    """The first figures are the error rates as percentages, then the step whose weights are published."""
    found = report(tmp_path, heard_clips.document())
    figures = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", (tmp_path / "report.html").read_text().split("tiles")[-1])
    assert figures[:3] == [
        ("word error rate", "35.1\N{NO-BREAK SPACE}% → 6.2\N{NO-BREAK SPACE}%"),
        ("character error rate", "13.8\N{NO-BREAK SPACE}% → 2.5\N{NO-BREAK SPACE}%"),
        ("weights of step", "80 of 120"),
    ]
    for told in (
        "The ten worst clips",
        "word error rate, raw42.1 %9.4 %",
        "character error rate, normalised13.8 %2.5 %",
        "180 clips, each seen 5.33 times",
        "All 60 held-out clips are in samples/transcripts.jsonl.",
    ):
        assert told in found.text


def test_a_version_that_was_not_measured_says_so(tmp_path: Path) -> None:
    """Without a held-out clip there is no rate, and the page says why; of one clip it speaks in the singular."""
    document = heard_clips.document()
    document["metrics"] |= {"samples": {}, "trials": [], "evaluation_before": None, "evaluation_after": None}
    document["data"] |= {"held_out": 0, "used": 1}
    found = report(tmp_path, document)
    assert "No clip was held out" in found.text and "1 clip, each seen" in found.text


def test_rates_of_the_training_stand_in(tmp_path: Path) -> None:
    """Where the exported adapter was not measured, the rates are those of the training's own measurements."""
    document = heard_clips.document()
    document["metrics"] |= {"samples": {}, "trials": []}
    document["metrics"]["evaluation_after"]["wer"] = 1.5
    found = report(tmp_path, document)
    assert "35.1\N{NO-BREAK SPACE}% → 150.0\N{NO-BREAK SPACE}%" in found.text
    assert "worst" not in found.text


@pytest.mark.parametrize("steps", [80, 120])
def test_published_step_of_any_task(tmp_path: Path, steps: int) -> None:
    """Which weights are published is told, and drawn in what was measured, where they are not the last step's."""
    document = heard_clips.document()
    document["steps"] = steps
    found = report(tmp_path, document)
    early = steps > heard_clips.SELECTED_STEP
    assert ("weights of step80 of 120" in found.text) == early
    assert ("steps80" in found.text) != early
    assert found.attributes.count(("class", "key chosen")) == (2 if early else 0)
    assert ("The weights of step 80 measured best" in (tmp_path / "README.md").read_text()) == early


def test_words_are_marked(tmp_path: Path) -> None:
    """Each clip has what is said, both transcripts with their wrong words marked, and how many there are."""
    document = heard_clips.document()
    found = report(tmp_path, document)
    text = (tmp_path / "report.html").read_text()
    assert "Never use <mark>rough</mark> paste on the escape wheel.<small" in text
    assert "Put a trace of shellac on <del>the</del> upper jewel.<small" in text
    assert '<i>(nothing)</i><small dir="ltr">8 wrong</small>' in text
    assert "Take the pin vise and ream the winding arbor.9 words" in found.text
    assert [value for name, value in found.attributes if name == "data-label"][:3] == [
        "what is said",
        "without the adapter",
        "with the adapter",
    ]


def test_counts_are_those_of_the_error_rate(tmp_path: Path) -> None:
    """The file of all transcripts decides how many words are wrong; where it says none, none is marked."""
    document = heard_clips.document()
    one = {"prompt": "a.wav", "reference": "Take twenty-one pins.", "before": "Take 21 bins.", "after": "Take 21 pins."}
    document["metrics"]["trials"] = [one]
    counts = {"words": 3, "word_errors_before": 1, "word_errors_after": 0}
    write_counts(tmp_path, {"clip": "b.wav", "reference": "\u2028"}, {"clip": "a.wav", **counts})
    found = report(tmp_path, document)
    text = (tmp_path / "report.html").read_text()
    assert "Clips, the worst first" in found.text
    assert "Take twenty-one pins.3 words" in found.text
    assert "Take 21 pins.<small" in text and "0 wrong" in found.text
    assert "<mark>bins.</mark>" in text and "1 wrong" in found.text


def test_hostile_transcripts(tmp_path: Path) -> None:
    """Whatever is said, heard or called so is text: no element, attribute or address comes from it."""
    document = heard_clips.document()
    harmless = report(tmp_path / "harmless", document)
    for place, trial in enumerate(document["metrics"]["trials"]):
        trial |= {"prompt": HOSTILE, "after": HOSTILE, "before": f"{HOSTILE} <ins>", "reference": HOSTILE[place:]}
    document["job"]["options"] |= {"language": HOSTILE, "whisper_task": HOSTILE}
    document["base_model"]["uri"] = HOSTILE
    found = report(tmp_path / "hostile", document)
    assert set(found.tags) <= set(harmless.tags)
    assert {name for name, _ in found.attributes} <= {name for name, _ in harmless.attributes}
    assert "\u202e" not in found.text and "onerror=alert(1)>" in found.text


def test_error_curves() -> None:
    """Words and characters are drawn in percent from zero; every chart says what goes up, and that steps go right."""
    drawn = str(curves(heard_clips.metrics(), heard_clips.SELECTED_STEP))
    charts = drawn.split("<figure")[1:]
    titles = [re.findall("<b>([^<]*)</b>", chart)[0] for chart in charts]
    assert titles == ["Errors on held-out clips", "Training loss", "Loss on held-out samples", "Learning rate"]
    assert "words 35.08 at step 0, 6.7 at step 120" in charts[0]
    numbers = words(charts[0], align="end")
    assert numbers[0] == "0" and numbers[-1] == "30"
    labels = [words(chart, "--ink") for chart in charts]
    assert labels == [["wrong, in %", "step"], ["loss", "step"], ["loss", "step"], ["learning rate", "step"]]
    assert ["published" in chart for chart in charts] == [True, False, True, False]


def test_published_line_lies_at_its_step() -> None:
    """The line of the published step crosses the curve's point of that step."""
    chart = str(curves(heard_clips.metrics(), heard_clips.SELECTED_STEP)).split("<figure")[1]
    (line,) = strokes(chart, "--ink")
    _, words_heard = strokes(chart, "--accent")
    place = [step for step, *_ in heard_clips.MEASURED].index(heard_clips.SELECTED_STEP)
    assert line[0][0] == line[1][0] == words_heard[place][0]


def test_write_report_needs_no_samples(tmp_path: Path) -> None:
    """A version without held-out clips has a report and a card without rates."""
    document = heard_clips.document()
    nothing: dict[str, Any] = {"evaluation_before": None, "evaluation_after": None, "trials": [], "samples": {}}
    document["metrics"] |= nothing
    write_report(tmp_path, document, heard_clips.metrics()[1:])
    for name in ("report.html", "README.md"):
        text = (tmp_path / name).read_text()
        assert "error rate" not in text and "loraruner infer" in text
