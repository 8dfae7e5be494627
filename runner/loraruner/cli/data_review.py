"""``loraruner data review``: a sheet on which people judge samples, and what they said applied to the data."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from loraruner.cli.context import CliContext
from loraruner.cli.job import read_job
from loraruner.cli.output import emit, format_option, say
from loraruner.cli.stopping import stopped_in_order
from loraruner.errors import DataInvalid, InputMissing, NoPermission
from loraruner.redact import Redactor
from loraruner.spec import TASKS

if TYPE_CHECKING:
    from loraruner import sources
    from loraruner.data.review.apply import Applied
    from loraruner.data.review.sheet import Sheet
    from loraruner.data.review.verdicts import Verdict
    from loraruner.settings import Settings
    from loraruner.spec import Spec

SHARE, SEED, SHEET_NAME = 0.3, 0, "review.html"
HEAVY_BYTES = 50_000_000


class Asked(TypedDict):
    """What is reviewed, and what for."""

    source: str
    task: str | None
    metadata: str | None
    job: str | None


class Wanted(TypedDict):
    """A sheet, or a saved review to apply; None where nothing was said."""

    share: float | None
    seed: int | None
    saved: Path | None
    output: Path | None


class Options(Asked, Wanted):
    """All options but ``--format``."""


@click.command("review")
@click.argument("source")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    help=f"Share of the samples to accept, picked at random [default: {SHARE:g}].",
)
@click.option("--seed", type=int, help=f"Another seed picks other samples [default: {SEED}].")
@click.option("--task", type=click.Choice(TASKS), help="What the data is for; by default what most of its files are.")
@click.option("--metadata", help="The file inside SOURCE that lists captions or transcripts, as data.metadata.")
@click.option("--job", help="Take the checks, the task and the metadata file from this job.")
@click.option("--apply", "saved", type=click.Path(dir_okay=False, path_type=Path), help="A review.csv that was saved.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help=f"The sheet to write [default: {SHEET_NAME}]; with --apply a folder for the outcome [default: SOURCE].",
)
@format_option
@click.pass_obj
def review(context: CliContext, format: str | None, **options: Unpack[Options]) -> None:
    """Make a sheet of samples of SOURCE that people judge in a browser; with --apply write what they said.

    SOURCE is a folder, an archive or a file of rows in any store. The sheet is one HTML file that needs no server and
    no network. People correct texts on it, accept or reject samples, and save review.csv.
    """
    from loraruner import sources

    _refuse_contradictions(options)
    verdicts = _verdicts(options["saved"]) if options["saved"] else None
    environment = context.start()
    unfinished = "the sheet was not finished" if verdicts is None else "the review was not applied to its end"
    with stopped_in_order(unfinished), nullcontext() if options["job"] else sources.told_without_job():
        spec, source = sources.open_asked(_asked(options), environment)
        if verdicts is None:
            result = _make(context, options, spec, source, environment)
        else:
            result = _apply(verdicts, options, spec, source, environment)
    emit(result, format=format)


def _refuse_contradictions(options: Options) -> None:
    if options["share"] is not None and math.isnan(options["share"]):
        raise click.UsageError("--share nan is no number from 0 to 1")
    if options["saved"] and (options["share"] is not None or options["seed"] is not None):
        raise click.UsageError("--share and --seed make a sheet: with --apply leave them out")
    output = options["output"]
    if output and not options["saved"] and (output.suffix.lower() not in (".html", ".htm") or output.is_dir()):
        raise click.UsageError(f"--output {output}: a sheet is an .html file; name one")
    if output and options["saved"] and output.exists() and not output.is_dir():
        raise click.UsageError(f"--output {output}: with --apply this is a folder; name one")


def _asked(options: Options) -> sources.Asked:
    from loraruner import sources

    job = read_job(options["job"]) if options["job"] else None
    return sources.Asked(options["source"], job, options["task"], options["metadata"], ())


def _make(
    context: CliContext, options: Options, spec: Spec, source: sources.Source, settings: Settings
) -> dict[str, Any]:
    """Check, write the sheet, say what it weighs and what to do with it."""
    from loraruner import quality, sources
    from loraruner.cli.counting import counting
    from loraruner.data.review.record import Record, read_record
    from loraruner.data.review.sheet import Subject, write_sheet
    from loraruner.data.review.subjects import DataSet, subjects

    output = options["output"] or Path(SHEET_NAME)
    if source.path.is_dir() and output.resolve().is_relative_to(source.path.resolve()):
        raise click.UsageError(
            f"--output {output} lies in the data set and would become part of it; name another place"
        )
    live = context.text_log and sys.stderr.isatty()
    limit = sources.open_limit(spec, settings, has_job=bool(options["job"]))
    with counting("samples checked", live) as between:
        found = quality.inspect(spec, source.path, limit, between)
    samples = subjects(DataSet(source.path, source.task, spec.data.metadata))
    subject = Subject(_title(options["source"]), samples, found, read_record(source.path) or Record(()))
    share = SHARE if options["share"] is None else options["share"]
    with counting("samples written", live) as between:
        sheet = write_sheet(output, subject, share=share, seed=options["seed"] or SEED, between=between)
    _say_sheet(sheet, output, _clean(_again(options), settings))
    return {
        "task": source.task,
        "samples": sheet.num_samples,
        "shown": sheet.num_shown,
        "share": round(sheet.num_shown / sheet.num_samples, 4),
        "output": str(output),
        "size_bytes": sheet.size_bytes,
    }


def _title(uri: str) -> str:
    """The last part of the address: the rest may be nobody's business."""
    return Path(uri.partition("?")[0].rstrip("/")).resolve().name if "://" not in uri else _last_part(uri)


def _last_part(uri: str) -> str:
    return uri.partition("?")[0].rstrip("/").rpartition("/")[2] or uri


def _again(options: Options) -> str:
    """How the command goes on that applies the review, for the same data by the same names."""
    given = [(f"--{key}", options[key]) for key in ("task", "metadata", "job")]
    words = [options["source"], *(word for pair in given if pair[1] for word in pair if word)]
    return shlex.join(words)


def _clean(text: str, settings: Settings) -> str:
    """An address may hold a signature."""
    return Redactor(settings.secrets).text(text)


def _say_sheet(sheet: Sheet, output: Path, again: str) -> None:
    say(f"{output}: {sheet.num_shown} of {sheet.num_samples} samples, {_size(sheet.size_bytes)}")
    if sheet.size_bytes > HEAVY_BYTES:
        fits = HEAVY_BYTES / sheet.size_bytes * sheet.num_shown / sheet.num_samples
        say(f"that is heavy for a browser: with --share {fits:.2g} it would weigh about {_size(HEAVY_BYTES)}")
    say(f"open it in a browser, judge, save review.csv, then: loraruner data review {again} --apply review.csv")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1_000_000 else f"{size_bytes / 1e3:.0f} kB"


def _verdicts(saved: Path) -> tuple[Verdict, ...]:
    """What a saved review says, which is something."""
    from loraruner.data.review.verdicts import parse

    verdicts = parse(_read(saved), saved.name)
    if not verdicts:
        raise DataInvalid(f"{saved}: nothing is judged in it; accept or reject samples on the sheet and save again")
    return verdicts


def _apply(
    verdicts: Sequence[Verdict], options: Options, spec: Spec, source: sources.Source, settings: Settings
) -> dict[str, Any]:
    """Write what was said, and say what became of it."""
    from loraruner.cli.review_place import write_review
    from loraruner.data.review.subjects import DataSet

    name = options["saved"].name if options["saved"] else ""
    data = DataSet(source.path, source.task, spec.data.metadata)
    applied, place = write_review(data, options["source"], verdicts, name, options["output"], settings)
    _say_applied(applied, _clean(place, settings), moved=bool(options["output"]), metadata=spec.data.metadata)
    return {
        "task": source.task,
        "accepted": applied.accepted,
        "corrected": applied.corrected,
        "rejected": applied.rejected,
        "covered": round(applied.covered, 4),
        "output": _clean(place, settings),
        "written": list(applied.written),
    }


def _read(path: Path) -> bytes:
    """A saved review, no more of it than one may have."""
    from loraruner.data.review.verdicts import MAX_RECORD_BYTES

    try:
        with path.open("rb") as stream:
            return stream.read(MAX_RECORD_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InputMissing(f"{path}: there is no such file; give the review.csv that the sheet saved") from None
    except PermissionError:
        raise NoPermission(f"{path}: this file may not be read; change its permissions") from None


def _say_applied(applied: Applied, place: str, *, moved: bool, metadata: str | None) -> None:
    say(
        f"{applied.accepted} accepted, {applied.corrected} of them corrected, {applied.rejected} rejected; "
        f"{100 * applied.covered:.3g} % of the samples that stay are accepted"
    )
    if not applied.written:
        say("all of it was applied before: nothing was written")
        return
    say(f"written to {place}: {', '.join(applied.written)}")
    if moved:
        say(f"the data set is not changed: put what is in {place} into it")
    if "metadata.csv" in applied.written and metadata not in (None, "metadata.csv"):
        say("name metadata.csv in $.data.metadata from now on: it has every caption")
