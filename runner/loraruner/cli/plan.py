"""``loraruner plan JOB``."""

import click

from loraruner.cli.context import CliContext
from loraruner.cli.job import job_arguments, read_job
from loraruner.cli.output import emit, format_option


@click.command()
@job_arguments
@format_option
@click.pass_obj
def plan(context: CliContext, job: str, overrides: tuple[str, ...], format: str | None) -> None:
    """Resolve JOB, count samples, steps and parameters, and estimate time, memory and disk. Trains nothing."""
    from loraruner import pipeline
    from loraruner.spec import load

    environment = context.start()
    emit(pipeline.plan(load(read_job(job), overrides=overrides).spec, environment), format=format)
