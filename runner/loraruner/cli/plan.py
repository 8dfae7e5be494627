"""``loraruner plan JOB``."""

import sys

import click

from loraruner import settings
from loraruner.cli.context import CliContext
from loraruner.cli.job import job_arguments, read_job
from loraruner.cli.output import emit, format_option


@click.command()
@job_arguments
@format_option
@click.pass_obj
def plan(context: CliContext, job: str, overrides: tuple[str, ...], format: str | None) -> None:
    """Resolve JOB, count samples, steps and parameters, and estimate time, memory and disk. Trains nothing."""
    from loraruner import log, pipeline
    from loraruner.spec import load

    environment = settings.load()
    log.configure(text=context.text_log(sys.stderr.isatty()), level=context.log_level, secrets=environment.secrets)
    emit(pipeline.plan(load(read_job(job), overrides=overrides).spec, environment), format=format)
