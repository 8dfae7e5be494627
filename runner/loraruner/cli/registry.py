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
    from loraruner.report.figures import number

    return {
        "name": row["name"],
        "version": f"{row['version']} (latest)" if row["latest"] else row["version"],
        "created": row["created"][:10],
        "steps": row["steps"],
        "loss": number(row["last_loss"]),
        "held out": _held_out(row),
    }


def _held_out(row: dict[str, Any]) -> str:
    """The word error rate of speech, else the held-out loss."""
    from loraruner.report.figures import change, percent_change

    if row["wer_after"] is not None:
        return f"wer {percent_change(row['wer_before'], row['wer_after'])}"
    loss = change(row["evaluation_before"], row["evaluation_after"])
    return f"loss {loss}" if row["evaluation_after"] is not None else loss


def _summary(version: dict[str, Any]) -> dict[str, Any]:
    """What people ask first; the JSON has the rest."""
    from loraruner.report.figures import change, duration, size

    metrics = version["metrics"]
    before, after = metrics["evaluation_before"] or {}, metrics["evaluation_after"] or {}
    return {
        **{key: version[key] for key in ("name", "version", "latest", "task", "status", "created", "run_id", "uri")},
        "base model": version["base_model"]["uri"],
        "data": version["data"]["uri"],
        **({"licence": version["data"]["license"]} if version["data"].get("license") else {}),
        "samples": version["data"]["used"],
        "steps": version["steps"],
        "loss": change(metrics["first_loss"], metrics["last_loss"]),
        "held-out loss": change(before.get("loss"), after.get("loss")),
        **_word_errors(metrics["samples"]),
        "training time": duration(version["seconds"]["training"]),
        "labels": [f"{name}: {value}" for name, value in version["labels"].items() if value],
        "adapters": version["adapters"],
        "files": [{"name": entry["name"], "size": size(entry["size"])} for entry in version["files"]],
    }


def _word_errors(measures: dict[str, float]) -> dict[str, str]:
    """The line on the word error rate, where it was measured."""
    from loraruner.report.figures import percent_change

    if "wer.after" not in measures:
        return {}
    return {"word error rate": percent_change(measures.get("wer.before"), measures["wer.after"])}
