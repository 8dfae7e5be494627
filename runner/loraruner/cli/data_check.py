"""``loraruner data check``: what is wrong with a data set, before it is trained on."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from loraruner.cli.context import CliContext
from loraruner.cli.job import read_job
from loraruner.cli.output import emit, format_option, is_table, say
from loraruner.cli.stopping import stopped_in_order
from loraruner.errors import DataInvalid, NoPermission
from loraruner.spec import TASKS

if TYPE_CHECKING:
    from loraruner import sources


class Options(TypedDict):
    """What to look at, and by whose measures."""

    source: str | None
    job: str | None
    task: str | None
    metadata: str | None
    tokenizer: str | None
    overrides: tuple[str, ...]


@click.command("check")
@click.argument("source", required=False)
@click.option("--task", type=click.Choice(TASKS), help="What the data is for; by default what most of its files are.")
@click.option("--metadata", help="The file inside SOURCE that lists captions or transcripts, as data.metadata.")
@click.option("--job", help="Check as this job would: its data, unless SOURCE is given, its data.quality, its base.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Replace one field of the job, as in data.quality.checks.blurred=fail (repeatable).",
)
@click.option("--tokenizer", help="Base model, or the folder of its tokenizer, that counts tokens; any store.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write the JSON to this file.")
@format_option
@click.pass_obj
def check(context: CliContext, output: Path | None, format: str | None, **asked: Unpack[Options]) -> None:
    """Look at every sample of SOURCE (a folder, an archive or a file of rows in any store) and say what is wrong.

    Exit code 65 when a check found something whose action is fail; the report is printed all the same.
    """
    if not asked["source"] and not asked["job"]:
        raise click.UsageError("nothing to check: give SOURCE, or a job with --job")
    from loraruner import quality, sources
    from loraruner.cli import quality_table
    from loraruner.cli.counting import counting
    from loraruner.data.quality.notes import NOUNS

    environment = context.start()
    with stopped_in_order("the check was not finished"), nullcontext() if asked["job"] else sources.told_without_job():
        spec, source = sources.open_asked(_asked(asked), environment)
        _refuse_inside(output, source)
        has_job, tokenizer = bool(asked["job"]), asked["tokenizer"]
        limit = sources.open_limit(spec, environment, has_job=has_job, tokenizer=tokenizer)
        with counting(NOUNS[spec.task], context.text_log and sys.stderr.isatty()) as between:
            found = quality.inspect(spec, source.path, limit, between)
        if not found.num_samples:
            raise DataInvalid(f"{source.uri}: nothing there is a sample of {spec.task}; name another folder or --task")
    known = quality_table.Circumstances(has_job, limit is not None, environment.secrets)
    report = quality_table.report(spec, source, found, known)
    emit(quality_table.brief(report) if is_table(format) else report, format=format)
    if is_table(format) and (more := quality_table.left_out(report)):
        say(more)
    if output:
        _write(output, report)
    quality.refuse(found, quality.quality_of(spec).checks)


def _asked(asked: Options) -> sources.Asked:
    from loraruner import sources

    job = read_job(asked["job"]) if asked["job"] else None
    return sources.Asked(asked["source"], job, asked["task"], asked["metadata"], asked["overrides"])


def _refuse_inside(output: Path | None, source: sources.Source) -> None:
    """A report in the data set would be part of it the next time."""
    if output and output.resolve().is_relative_to(source.path.resolve()):
        raise click.UsageError(
            f"--output {output} lies in the data set and would become part of it; name another place"
        )


def _write(path: Path, report: dict[str, Any]) -> None:
    from loraruner.files import write_bytes

    try:
        write_bytes(path, (json.dumps(report, indent=2) + "\n").encode())
    except OSError as error:
        raise NoPermission(f"{path}: cannot be written ({error.strerror}); choose another --output") from None
