"""The dashboard of a registry: one file without scripts, for a screen, a phone and paper."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from loraruner.markup import Html, joined, tag
from loraruner.report.blocks import section, table
from loraruner.report.figures import number, percent
from loraruner.report.page import POLICY
from loraruner.report.plots import bar_chart
from loraruner.report.style import STYLE

TITLES = {"team": "Teams", "task": "Model types", "rank": "Rank", "lr": "Learning rate", "batch": "Batch size"}
COUNTED = (
    "Success is the share of the runs that ended with a version. Minutes, GPU-hours and scores are those of versions."
)
MAX_BARS, MAX_GROUPS, MAX_ROWS = 12, 50, 20
HEADERS = ("Runs", "Versions", "Success", "Median minutes", "GPU-hours", "Score", "Scored")
OWN_STYLE = """
.tiles { margin-top: 1.75rem; }
.answers { list-style: none; padding: 0; margin: 1.5rem 0 0; display: grid; gap: .6rem; }
.answers li { padding: .7rem 1rem; background: var(--wash); border-left: 3px solid var(--accent); border-radius: 6px; }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); }
.charts + .scroll, h1 + .scroll { margin-top: 1.5rem; }
.months { max-width: 24rem; }
.charts svg text { font-size: 14px; }
.scroll th, .scroll td { overflow-wrap: break-word; min-width: 3.5rem; }
.scroll td:first-child { min-width: 8rem; }
summary { cursor: pointer; color: var(--accent); margin-bottom: .75rem; }
@media (max-width: 34rem) {
  .scroll td:first-child { min-width: 5rem; }
  h1 + .scroll td { overflow-wrap: anywhere; }
}
@media (min-width: 60rem) { .tiles { grid-template-columns: repeat(7, auto); } }
@media print {
  .tiles { grid-template-columns: repeat(4, 1fr); }
  .charts { grid-template-columns: repeat(3, 1fr); }
  .months { max-width: 8cm; grid-template-columns: 1fr; }
}
"""


def dashboard_page(document: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The page as text, from the document of ``registry.stats`` and the rows that it counts.

    The same arguments give the same page. Raises EnvironmentUnfit (78) without matplotlib.
    """
    body = tag(
        "main",
        tag("h1", "What was trained"),
        tag(
            "p",
            f"{_count(document['runs'], 'run')} of {_count(document['names'], 'name')} in {document['uri']}.",
            class_="lead",
        ),
        _tiles(document),
        tag("ul", *(tag("li", answer) for answer in document["answers"]), class_="answers"),
        tag("p", COUNTED, class_="note"),
        _months(rows),
        *(_group(TITLES[name], found) for name, found in document["by"].items()),
        _best(rows),
        _lost(rows),
    )
    return page("Registry: what was trained", body)


def page(title: str, body: Html) -> str:
    """A whole page around ``body``, with the look of a report."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(STYLE + OWN_STYLE)),
    )
    return joined((Html("<!doctype html>\n"), tag("html", head, tag("body", body), lang="en"), "\n"))


def _tiles(document: Mapping[str, Any]) -> Html:
    values = {
        "Runs": number(document["runs"]),
        "Versions": number(document["versions"]),
        "Success": percent(document["success_rate"]),
        "Median minutes": number(document["median_minutes"]),
        "GPU-hours": number(document["gpu_hours"]),
        "Mean score": "—" if document["score"] is None else f"{document['score']:.2f} of 5",
        "Released": number(document["released"]),
    }
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in values.items()), class_="tiles")


def _group(title: str, found: Sequence[Mapping[str, Any]]) -> Html:
    """One kind of group: charts of how much and how well, where there is more than one, and the numbers below them."""
    shown = found[:MAX_BARS]
    scores = [(each["value"], each["score"]) for each in shown if each["score"]]
    charts = (
        bar_chart("Versions", [(each["value"], each["versions"]) for each in shown], label="how many"),
        bar_chart("Success", _shares(shown), label="% of the runs", full=100),
        bar_chart("Score", scores, label="mean, of 5", full=5),
    )
    rows = (
        (
            each["value"],
            number(each["runs"]),
            number(each["versions"]),
            percent(each["success_rate"]),
            number(each["median_minutes"]),
            number(each["gpu_hours"]),
            number(each["score"]),
            number(each["scored"]),
        )
        for each in found[:MAX_GROUPS]
    )
    return section(
        title,
        tag("div", *charts, class_="charts") if len(shown) > 1 else None,
        table((title, *HEADERS), rows, range(1, len(HEADERS) + 1)),
        _left_out(len(found) - MAX_GROUPS),
    )


def _shares(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    return [(each["value"], round(100 * each["success_rate"], 1)) for each in found]


def _months(rows: Sequence[Mapping[str, Any]]) -> Html | None:
    """How much was published in each of the last months, also in those without anything, the newest at the bottom."""
    created = (_month(row["created"]) for row in rows if row["version"] is not None)
    months = [month for month in created if month is not None]
    last = max(months, default=0)
    shown = range(max(min(months, default=1), last - MAX_BARS + 1), last + 1)
    counted = [(f"{month // 12:04d}-{month % 12 + 1:02d}", float(months.count(month))) for month in shown]
    chart = bar_chart("Versions by month", counted, label="how many")
    return section("Over time", tag("div", chart, class_="charts months")) if chart else None


def _month(created: str) -> int | None:
    """The months since year 0, None for what is no date: a manifest may say anything."""
    try:
        day = date.fromisoformat(created[:10])
    except ValueError:
        return None
    return day.year * 12 + day.month - 1


def _best(rows: Sequence[Mapping[str, Any]]) -> Html | None:
    """The scores that people gave, the best first."""
    scored = [row for row in rows if row["score"] is not None]
    ordered = sorted(scored, key=lambda row: (-row["score"], row["name"], row["version"]))[:MAX_ROWS]
    if not ordered:
        return None
    lines = (
        (row["name"], row["version"], row["status"], row["team"] or "—", number(row["score"]), row["created"][:10])
        for row in ordered
    )
    return section(
        "Scores, the best first",
        table(("Name", "Version", "Status", "Team", "Score", "Made"), lines, (4,)),
        _left_out(len(scored) - MAX_ROWS),
    )


def _lost(rows: Sequence[Mapping[str, Any]]) -> Html | None:
    """The newest runs that made no version."""
    failed = sorted((row for row in rows if row["version"] is None), key=lambda row: row["run_id"])
    ordered = sorted(failed, key=lambda row: row["ended"], reverse=True)[:MAX_ROWS]
    if not ordered:
        return None
    lines = (
        (row["name"], row["run_id"], f"{row['state']} ({row['exit_code']})", number(row["steps"]), row["ended"][:10])
        for row in ordered
    )
    return section(
        "Ended without a version",
        table(("Name", "Run", "End", "Steps", "When"), lines, (3,)),
        _left_out(len(failed) - MAX_ROWS),
    )


def _left_out(count: int) -> Html | None:
    return tag("p", f"{count:,} more are not shown.", class_="note") if count > 0 else None


def _count(amount: int, what: str) -> str:
    return f"{amount:,} {what}{'' if amount == 1 else 's'}"
