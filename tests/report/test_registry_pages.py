"""The dashboard and the comparison: complete, safe whatever people wrote, and readable where they are opened."""

import re
from pathlib import Path
from typing import Any

import pytest

from loraruner.registry.compare import compare, read_pictures
from loraruner.registry.stats import stats
from loraruner.report.comparison import comparison_page
from loraruner.report.dashboard import dashboard_page
from loraruner.report.plots import bar_chart
from tests.support import published, registered

EVIL = "<script>alert(1)</script>\x1b\u202e"


def dashboard(**more: Any) -> str:
    rows = [
        registered.row(version=str(number), run_id=f"r{number}", score=4.5, team="brand", **more)
        for number in range(1, 4)
    ]
    rows.append(registered.row(version=None, team="games", ended=registered.WHEN))
    return dashboard_page({"uri": "s3://loras", **stats(rows)}, rows)


def comparison(folder: Path, task: str = "text-to-image", **more: Any) -> str:
    operator = published.settings(folder / "home")
    if task == "text-to-image":
        for number in (1, 2):
            published.publish_version(folder / "loras", run=f"neon-style-{number}")
    else:
        registered.write_version(folder / "loras", version="1", task=task)
        registered.write_version(folder / "loras", version="2", task=task, **more)
    addresses = (f"{folder}/loras/neon-style@1", f"{folder}/loras/neon-style@2")
    return comparison_page(compare(*addresses, operator), read_pictures(*addresses, operator))


def test_the_dashboard_tells_everything() -> None:
    """Answers, key figures, a part for each kind of group, what is liked, and what was lost."""
    page = dashboard()
    for text in (
        "brand makes most: 3 versions of 3 runs.",
        "75.0 %",
        "4.50 of 5",
        "Teams",
        "Learning rate",
        "Scores, the best first",
        "Success is the share of the runs that ended with a version.",
    ):
        assert text in page
    assert "diverged (79)" in page and page.count("<svg") == 4  # months, and the one group with two values


def test_bars_are_of_the_whole() -> None:
    """A share is drawn of 100 and a score of 5, so that the best of few does not look like all."""
    page = dashboard()
    for title, value, label, full in (("Score", 4.5, "mean, of 5", 5), ("Score", 4.5, "mean, of 5", None)):
        chart = bar_chart(title, [("brand", value)], label=label, full=full)
        assert chart is not None and (chart in page) is (full is not None)


def test_a_month_without_versions_is_there() -> None:
    """The chart over time has no hidden gap, and what is no date breaks nothing."""
    days = ("2025-12-31T08:00:00+00:00", "2026-02-01T08:00:00+00:00", "0000-00", "")
    rows = [registered.row(run_id=f"r{number}", created=day) for number, day in enumerate(days)]
    page = dashboard_page({"uri": "s3://loras", **stats(rows)}, rows)
    assert "2025-12 1, 2026-01 0, 2026-02 1" in page


def test_the_dashboard_of_nothing() -> None:
    """An empty registry is a page, too."""
    page = dashboard_page({"uri": "s3://loras", **stats([])}, [])
    assert "0 runs of 0 names in s3://loras." in page and "<svg" not in page


def test_the_same_page_twice() -> None:
    """Pages can be compared by their bytes."""
    assert dashboard() == dashboard()


@pytest.mark.parametrize(
    ("task", "told"), [("text-generation", "Hello from Tern"), ("automatic-speech-recognition", "Said:")]
)
def test_texts_side_by_side(tmp_path: Path, task: str, told: str) -> None:
    """Answers and transcripts of both stand beside each other, of clips with what is said."""
    page = comparison(tmp_path, task)
    assert told in page and page.count("Version 1") >= 4 and "<h1>neon-style 1 and 2</h1>" in page


def test_a_picture_beside_a_text(tmp_path: Path) -> None:
    """Of different tasks both are named in full, and a file's name is no answer."""
    registered.write_version(tmp_path)
    registered.write_version(tmp_path, "tern", task="text-generation")
    page = comparison_page(compare(f"{tmp_path}/neon-style", f"{tmp_path}/tern", published.settings(tmp_path)), {})
    assert "<h1>neon-style 1 and tern 1</h1>" in page and "(a picture)" in page and "after-00.png" not in page


def test_pictures_side_by_side(tmp_path: Path) -> None:
    """The pictures are in the page; a missing one is said."""
    page = comparison(tmp_path)
    assert page.count('src="data:image/png;base64,') == 4
    assert "Nothing: the jobs are the same." in page


def test_differences_are_marked(tmp_path: Path) -> None:
    """What differs in the jobs is marked on both sides."""
    job = registered.manifest(task="text-generation")["job"]
    page = comparison(tmp_path, "text-generation", job={**job, "labels": {"purpose": "other"}})
    assert "<mark>other</mark>" in page and "$.labels.purpose" in page


@pytest.mark.parametrize("field", ["name", "team", "run_id", "state", "created"])
def test_what_people_wrote_is_text(field: str) -> None:
    """No word of a row becomes markup, and nothing hidden gets through."""
    rows = [{**registered.row(), field: EVIL}, {**registered.row(version=None), field: EVIL}]
    page = dashboard_page({"uri": EVIL, **stats(rows)}, rows)
    assert "<script" not in page and "\x1b" not in page and "\u202e" not in page


def test_what_people_wrote_in_a_comparison(tmp_path: Path) -> None:
    """Prompts, answers and values of jobs are text."""
    trial = {"prompt": EVIL, "before": EVIL, "after": EVIL}
    made = registered.manifest(task="text-generation")
    metrics, job = {**made["metrics"], "trials": [trial]}, made["job"]
    page = comparison(tmp_path, "text-generation", metrics=metrics, job={**job, "x": EVIL, "<b>": 1})
    assert "<script" not in page and "<b>:" not in page and "\x1b" not in page


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    """The pages have a policy that forbids it, and no address in them would be loaded."""
    for page in (dashboard(), comparison(tmp_path)):
        assert "default-src &#x27;none&#x27;" in page
        assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 390])
def test_in_a_browser(tmp_path: Path, width: int) -> None:
    """Nothing sticks out to the side, on a desk or on a phone, and no word is broken into letters."""
    from tests.support.sheet_in_browser import chromium

    pages = {"dashboard": dashboard(), "comparison": comparison(tmp_path)}
    with chromium(tmp_path) as browser:
        for name, text in pages.items():
            (tmp_path / f"{name}.html").write_text(text)
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(f"file://{tmp_path}/{name}.html")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("Math.min(...[...document.querySelectorAll('td')].map(e => e.offsetWidth))") > 40
            page.close()
