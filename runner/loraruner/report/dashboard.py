"""The dashboard of a registry: one file without scripts, for a screen, a phone and paper."""

from collections.abc import Mapping, Sequence
from typing import Any

from loraruner.markup import Html, joined, tag
from loraruner.report.blocks import section, table
from loraruner.report.figures import number, percent
from loraruner.report.page import POLICY
from loraruner.report.plots import bar_chart
from loraruner.report.style import STYLE

TITLES = {"team": "Teams", "task": "Model types", "rank": "Rank", "lr": "Learning rate", "batch": "Batch size"}
MAX_BARS, MAX_GROUPS, MAX_ROWS = 12, 50, 20
HEADERS = ("Runs", "Versions", "Success", "Median minutes", "GPU-hours", "Score", "Scored")
OWN_STYLE = """
.answers { list-style: none; padding: 0; margin: 1.5rem 0 0; display: grid; gap: .6rem; }
.answers li { padding: .7rem 1rem; background: var(--wash); border-left: 3px solid var(--accent); border-radius: 6px; }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); }
.charts + .scroll, h1 + .scroll { margin-top: 1.5rem; }
.scroll th, .scroll td { overflow-wrap: break-word; min-width: 3.5rem; }
summary { cursor: pointer; color: var(--accent); margin-bottom: .75rem; }
"""


def dashboard_page(document: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The page as text, from the document of ``registry.stats`` and the rows that it counts.

    The same arguments give the same page. Raises EnvironmentUnfit (78) without matplotlib.
    """
    body = tag(
        "main",
        tag("h1", "What was trained"),
        tag("p", f"{_count(document['runs'], 'run')} of {_count(document['names'], 'name')} in {document['uri']}."),
        _tiles(document),
        tag("ul", *(tag("li", answer) for answer in document["answers"]), class_="answers"),
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
        "Ended with a version": percent(document["success_rate"]),
        "Median minutes": number(document["median_minutes"]),
        "GPU-hours": number(document["gpu_hours"]),
        "Mean score": "—" if document["score"] is None else f"{document['score']:.2f} of 5",
        "Released": number(document["released"]),
    }
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in values.items()), class_="tiles")


def _group(title: str, found: Sequence[Mapping[str, Any]]) -> Html:
    """One kind of group: charts of how much and how well, and the numbers below them."""
    shown = found[:MAX_BARS]
    charts = (
        bar_chart("Versions", [(each["value"], each["versions"]) for each in shown], label="versions"),
        bar_chart("Ended with a version", _shares(shown), label="% of the runs"),
        bar_chart("Score", [(each["value"], each["score"]) for each in shown if each["score"]], label="mean, of 5"),
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
        tag("div", *charts, class_="charts"),
        table((title, *HEADERS), rows, range(1, len(HEADERS) + 1)),
        _left_out(len(found) - MAX_GROUPS),
    )


def _shares(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    return [(each["value"], round(100 * each["success_rate"], 1)) for each in found]


def _months(rows: Sequence[Mapping[str, Any]]) -> Html | None:
    """How much was published in each month, the newest at the bottom."""
    months = [row["created"][:7] for row in rows if row["version"] is not None and row["created"]]
    counted = [(month, float(months.count(month))) for month in sorted(set(months))[-MAX_BARS:]]
    chart = bar_chart("Versions by month", counted, label="versions")
    return section("Over time", tag("div", chart, class_="charts")) if chart else None


def _best(rows: Sequence[Mapping[str, Any]]) -> Html | None:
    """The versions that people like most."""
    scored = [row for row in rows if row["score"] is not None]
    ordered = sorted(scored, key=lambda row: (-row["score"], row["name"], row["version"]))[:MAX_ROWS]
    if not ordered:
        return None
    lines = (
        (row["name"], row["version"], row["status"], row["team"] or "—", number(row["score"]), row["created"][:10])
        for row in ordered
    )
    return section("Liked most", table(("Name", "Version", "Status", "Team", "Score", "Made"), lines, (4,)))


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
