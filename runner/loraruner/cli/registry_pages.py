"""``registry compare`` and ``stats``, with the pages that they can write."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from loraruner.cli.output import emit, format_option, is_table, say
from loraruner.cli.registry_list import filter_options, uncollected

GROUPS = ("team", "task", "rank", "lr", "batch")
MAX_SHOWN = 60  # characters of a value in a table


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page, with samples."
)
@format_option
def compare(a: str, b: str, page: Path | None, format: str | None) -> None:
    """Put versions A and B side by side: jobs with the differences marked, metrics, samples."""
    from loraruner import settings
    from loraruner.registry.compare import compare as compared
    from loraruner.registry.compare import read_pictures

    environment = settings.load()
    document = compared(a, b, environment)
    if page:
        from loraruner.report.comparison import comparison_page

        _write(page, comparison_page(document, read_pictures(a, b, environment)))
    emit(_comparison(document) if is_table(format) else document, format=format)


@click.command()
@click.argument("uri")
@click.option("--by", "groups", multiple=True, type=click.Choice(GROUPS), help="Only by this; else by all.")
@filter_options
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Also write a dashboard.")
@format_option
@uncollected()
def stats(uri: str, groups: Sequence[str], page: Path | None, format: str | None, **chosen: Any) -> None:
    """Count the runs below URI: how many, how well they went, how long they took, how they are liked."""
    from loraruner import settings
    from loraruner.registry.catalogue import list_versions
    from loraruner.registry.filters import Filters, apply
    from loraruner.registry.stats import stats as counted

    filters = Filters(**chosen)
    apply((), filters)
    rows = apply(list_versions(uri, settings.load(), all_runs=True), filters)
    document = {"uri": uri, **counted(rows, groups or GROUPS)}
    if page:
        from loraruner.report.dashboard import dashboard_page

        _write(page, dashboard_page(document, rows))
    emit(_statistics(document) if is_table(format) else document, format=format)


def _write(page: Path, text: str) -> None:
    from loraruner import settings
    from loraruner.files import machine_faults_named, write_bytes
    from loraruner.redact import Redactor

    with machine_faults_named():
        write_bytes(page, Redactor(settings.secrets()).strike(text).encode())
    say(f"wrote {page}")


def _comparison(document: dict[str, Any]) -> dict[str, Any]:
    """Tables: the facts of both, the metrics, and of the jobs what differs."""
    from loraruner.report.figures import number

    facts = [{"": name, **{side: _short(document[side][name]) for side in "ab"}} for name in document["a"]]
    metrics = [
        {"metric": each["name"], "a": number(each["a"]), "b": number(each["b"]), "better": each["better"] or ""}
        for each in document["metrics"]
        if each["a"] is not None or each["b"] is not None
    ]
    differing = [
        {"job": each["path"], "a": _short(each["a"]), "b": _short(each["b"])}
        for each in document["spec"]
        if not each["same"]
    ]
    return {"versions": facts, "metrics": metrics, "differences": differing or "the jobs are the same"}


def _statistics(document: dict[str, Any]) -> dict[str, Any]:
    from loraruner.report.figures import number, percent

    def line(name: str, each: dict[str, Any]) -> dict[str, Any]:
        return {
            name: each["value"],
            "runs": each["runs"],
            "versions": each["versions"],
            "success": percent(each["success_rate"]),
            "minutes": number(each["median_minutes"]),
            "GPU-hours": number(each["gpu_hours"]),
            "score": number(each["score"]),
        }

    return {
        "answers": document["answers"],
        **{key: document[key] for key in ("runs", "versions", "released")},
        "success": percent(document["success_rate"]),
        "median minutes": number(document["median_minutes"]),
        "GPU-hours": number(document["gpu_hours"]),
        "score": number(document["score"]),
        **{f"by {name}": [line(name, each) for each in group] for name, group in document["by"].items()},
    }


def _short(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        return f"{value[:MAX_SHOWN]}..."
    return value
