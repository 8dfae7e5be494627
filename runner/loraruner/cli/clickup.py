"""``loraruner clickup``: tasks that become trainings."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loraruner.cli.context import CliContext
from loraruner.cli.output import emit, format_option, is_table, say

if TYPE_CHECKING:
    from loraruner.dispatch.outcome import Outcome
    from loraruner.dispatch.run import Dispatcher
    from loraruner.dispatch.template import Template
    from loraruner.settings import Settings


def _said(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """An option that says something."""
    if not value.strip():
        raise click.BadParameter("is empty")
    return value


@click.group()
def clickup() -> None:
    """Start trainings from the tasks of a ClickUp list."""


@clickup.command()
@click.option(
    "--list", "list_id", required=True, callback=_said, metavar="ID", help="The list: the number in its address."
)
@click.option(
    "--status", required=True, callback=_said, help="Tasks in this status are started, as in 'ready to train'."
)
@click.option(
    "--template",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JSON: the job without name and data, and which custom field fills which place in it.",
)
@click.option(
    "--start",
    type=click.Choice(["local", "kubernetes"]),
    default="local",
    show_default=True,
    help="Train here, one task after the other, or create a Job of Kubernetes for each.",
)
@click.option("--moving-to", metavar="STATUS", help="The status that a started task gets.")
@click.option("--on-fault-status", metavar="STATUS", help="The status of a task whose fields don't make a job.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Start N tasks at most.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; claim, start, comment and move nothing.")
@click.option(
    "--manifests",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Job and ConfigMap for --start kubernetes, as the chart renders them.",
)
@click.option("--api-server", hidden=True, help="Address of Kubernetes, in place of the pod's own.")
@click.option("--account", hidden=True, type=click.Path(path_type=Path), help="Folder of the service account.")
@click.option("--kubernetes-host", hidden=True, envvar="KUBERNETES_SERVICE_HOST")
@click.option("--kubernetes-port", hidden=True, envvar="KUBERNETES_SERVICE_PORT", default="443")
@format_option
@click.pass_obj
def dispatch(
    context: CliContext, /, template: Path, format: str | None, list_id: str, status: str, **given: Any
) -> None:
    """Start every task of a list that is ready to train, once for each time it came into that status.

    Run it again and again (cron, or the chart's CronJob): what has been started is left alone. Wrong values become a
    comment on the task. Exit code: 0, or that of the first task that is not well.
    """
    environment = context.start()
    from loraruner.dispatch import outcome as ending
    from loraruner.dispatch import run as running

    if status in (given["moving_to"], given["on_fault_status"]):
        raise click.UsageError("--status is also --moving-to or --on-fault-status; give these another one, or none")
    cluster = _cluster_options(given)
    request = running.Request(list_id, status, **given)
    loaded = _template(template)
    options = ("--log-format", context.log_format, "--log-level", context.log_level)
    dispatcher = _dispatcher(request, loaded, environment, {**cluster, "options": options})
    outcomes = []
    for outcome in dispatcher.run():
        outcomes.append(outcome)
        say(_line(outcome))
    if not outcomes:
        say(f"no task of list {list_id} is in the status {status!r}")
    rows = [_row(each) for each in outcomes] if is_table(format) else [asdict(each) for each in outcomes]
    if rows or not is_table(format):
        emit({"tasks": rows}, format=format)
    ending.require_well(outcomes, stopped=dispatcher.stopped)


def _cluster_options(given: dict[str, Any]) -> dict[str, Any]:
    """What says where Kubernetes is, taken out of ``given``."""
    host, port = given.pop("kubernetes_host"), given.pop("kubernetes_port")
    shown = f"[{host}]" if host and ":" in host else host
    api = given.pop("api_server") or (f"https://{shown}:{port}" if host else None)
    return {"api": api, "account": given.pop("account"), "manifests": given.pop("manifests")}


def _template(path: Path) -> "Template":
    """Read and judged; raises InputMissing (66) and JobInvalid (64)."""
    from loraruner.dispatch import template as templates
    from loraruner.errors import InputMissing

    try:
        with path.open("rb") as stream:
            text = stream.read(templates.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise InputMissing(f"--template {path}: cannot be read ({reason}); give a JSON file") from None
    return templates.read(text)


def _dispatcher(request: Any, template: "Template", settings: "Settings", where: dict[str, Any]) -> "Dispatcher":
    from loraruner.clients.clickup import open_client
    from loraruner.dispatch import run as running

    options = where.pop("options")
    cluster = running.open_cluster(**where) if request.start == running.KUBERNETES else None
    return running.Dispatcher(request, template, open_client(settings), settings, cluster=cluster, options=options)


def _line(outcome: "Outcome") -> str:
    """One task on one line, while the others are still to come."""
    details = [outcome.run_id and f"run {outcome.run_id}", outcome.kubernetes_job and f"Job {outcome.kubernetes_job}"]
    details += [outcome.version and f"version {outcome.version}", f"exit code {outcome.code}" if outcome.code else None]
    told = ", ".join(each for each in (*details, *outcome.reasons) if each)
    return f"{outcome.task} {outcome.happened}{': ' if told else ''}{told}"


def _row(outcome: "Outcome") -> dict[str, Any]:
    """A row that fits a terminal."""
    return {
        "task": outcome.task,
        "title": outcome.title,
        "happened": outcome.happened,
        "run": outcome.run_id,
        **({"version": outcome.version} if outcome.version else {}),
        "code": outcome.code,
        "why": "\n".join(outcome.reasons) or None,
    }
