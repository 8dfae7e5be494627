"""``loraruner registry``: what has been published."""

from typing import Any

import click

from loraruner.cli.context import CliContext
from loraruner.cli.output import emit, format_option, is_table, say


@click.group()
@click.pass_obj
def registry(context: CliContext) -> None:
    """See what has been published."""
    context.start()


@registry.command("list")
@click.argument("uri")
@format_option
def list_(uri: str, format: str | None) -> None:
    """List the versions below URI: a job's output.uri (every adapter), or URI/NAME (one)."""
    from loraruner import settings
    from loraruner.registry import list_versions

    rows = list_versions(uri, settings.load())
    if not rows:
        say(f"no version is published in {uri}")
    emit({"versions": [_line(row) for row in rows] if is_table(format) else rows}, format=format)


@registry.command()
@click.argument("uri")
@format_option
def show(uri: str, format: str | None) -> None:
    """Show the version at URI: URI/NAME is its latest one, URI/NAME/versions/3 that one."""
    from loraruner import settings
    from loraruner.registry import show_version

    version = show_version(uri, settings.load())
    emit(_summary(version) if is_table(format) else version, format=format)


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """A row that fits a terminal of 80 columns."""
    from loraruner.report.figures import change, number

    return {
        "name": row["name"],
        "version": f"{row['version']} (latest)" if row["latest"] else row["version"],
        "created": row["created"][:10],
        "steps": row["steps"],
        "loss": number(row["last_loss"]),
        "held-out loss": change(row["evaluation_before"], row["evaluation_after"]),
    }


def _summary(version: dict[str, Any]) -> dict[str, Any]:
    """What people ask first; the JSON has the rest."""
    from loraruner.report.figures import change, duration, size

    metrics = version["metrics"]
    before, after = metrics["evaluation_before"] or {}, metrics["evaluation_after"] or {}
    return {
        **{key: version[key] for key in ("name", "version", "latest", "task", "status", "created", "run_id", "uri")},
        "base model": version["base_model"]["uri"],
        "data": version["data"]["uri"],
        "samples": version["data"]["used"],
        "steps": version["steps"],
        "loss": change(metrics["first_loss"], metrics["last_loss"]),
        "held-out loss": change(before.get("loss"), after.get("loss")),
        "training time": duration(version["seconds"]["training"]),
        "labels": [f"{name}: {value}" for name, value in version["labels"].items() if value],
        "adapters": version["adapters"],
        "files": [{"name": entry["name"], "size": size(entry["size"])} for entry in version["files"]],
    }
