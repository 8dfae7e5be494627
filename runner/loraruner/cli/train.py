"""``loraruner train JOB``: the whole pipeline."""

import logging
import sys
from collections.abc import Mapping
from typing import TypedDict, Unpack

import click

from loraruner.cli.context import CliContext
from loraruner.cli.job import job_arguments, read_job
from loraruner.cli.output import emit, format_option, is_table
from loraruner.result import RunResult
from loraruner.training.signals import StopSignal

_LOG = logging.getLogger(__name__)


class RequestOptions(TypedDict):
    """The options that make a ``pipeline.Request``."""

    run_id: str | None
    fresh: bool
    resume_ended: bool


@click.command()
@job_arguments
@click.option("--run-id", help="Use this run id in place of the one computed from the job and its inputs.")
@click.option("--fresh", is_flag=True, help="Start a new run even if this job has run before.")
@click.option("--continue", "resume_ended", is_flag=True, help="Resume a run that ended with code 79 or 80.")
@format_option
@click.pass_obj
def train(
    context: CliContext, job: str, overrides: tuple[str, ...], format: str | None, **request: Unpack[RequestOptions]
) -> None:
    """Train the adapter that JOB describes and publish it; the same JOB again resumes, or finds it published."""
    stop = StopSignal()
    stop.install()  # first of all: importing what follows takes a while
    from loraruner import pipeline
    from loraruner.cli.progress import watched
    from loraruner.spec import load

    environment = context.start()
    loaded = load(read_job(job), overrides=overrides)
    for warning in loaded.warnings:
        _LOG.warning(warning)
    with stop.unmasked(), watched(context.text_log and sys.stderr.isatty()) as watcher:
        result = pipeline.train(loaded.spec, pipeline.Request(**request), environment, watcher, stop)
    emit(_brief(result) if is_table(format) else result.document(), format=format)


def _brief(result: RunResult) -> dict[str, str | int]:
    """What a person looks at first; the JSON form has everything."""
    held_out = (result.evaluation_before, result.evaluation_after)
    return {
        "version": f"{result.name} {result.version}{' (published before)' if result.already_published else ''}",
        "training loss": _from_to(result.first_loss, result.last_loss),
        "held-out loss": _from_to(*held_out),
        **_measured(result.measures),
        "steps": result.steps,
        **({"weights of step": result.selected_step} if result.selected_step != result.steps else {}),
        "attempts": result.attempts,
        "folder": result.uri,
        "look at": f"{result.uri}report.html",
    }


def _measured(measures: Mapping[str, float]) -> dict[str, str]:
    """Each pair ``NAME.before`` and ``NAME.after`` on one line; error rates by the names that people know."""
    from loraruner.report.figures import percent
    from loraruner.report.measures import NAMES

    told = {}
    for name in (key.removesuffix(".after") for key in measures if key.endswith(".after")):
        before, after = measures.get(f"{name}.before"), measures[f"{name}.after"]
        told[NAMES.get(name, name)] = (
            f"{percent(before)} -> {percent(after)}" if name in NAMES else _from_to(before, after)
        )
    return told


def _from_to(before: float | None, after: float | None) -> str:
    return "not measured" if before is None or after is None else f"{before:.4f} -> {after:.4f}"
