"""``loraruner validate``: every fault of a job at once; without torch, and without a store or a path unless asked."""

from dataclasses import asdict

import click

from loraruner import policy, settings, spec
from loraruner.cli.context import CliContext
from loraruner.cli.job import job_arguments, read_job
from loraruner.cli.output import emit, format_option, is_table, say
from loraruner.errors import LoraRunerError


@click.command()
@job_arguments
@click.option("--remote", is_flag=True, help="Also check inputs, output and version in their stores.")
@format_option
@click.pass_obj
def validate(context: CliContext, job: str, overrides: tuple[str, ...], remote: bool, format: str | None) -> None:
    """Check JOB (a path, - for stdin, or a URI) and name every fault with its place and its fix."""
    try:
        loaded = spec.load(read_job(job), overrides=overrides)
        policy.require_digests(loaded.spec, settings.load())
    except spec.JobInvalid as error:
        if format or not is_table(format):  # on a terminal the lines that follow say it all
            emit({"valid": False, "faults": [asdict(fault) for fault in error.faults]}, format=format)
        raise
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    if remote:
        from loraruner import pipeline

        try:
            pipeline.check(loaded.spec, context.start())
        except LoraRunerError as error:
            if not is_table(format):
                emit(
                    {"valid": False, "faults": [], "error": {"code": int(error.code), "reason": str(error)}},
                    format="json",
                )
            raise
    emit(
        {
            "valid": True,
            "job": loaded.spec.name,
            "task": loaded.spec.task,
            "warnings": list(loaded.warnings),
        },
        format=format,
    )
