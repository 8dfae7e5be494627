"""``loraruner data advise``: a job for this data on this machine, with the reason for each value."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from loraruner.cli.context import CliContext
from loraruner.cli.init import SCHEMA_NAME
from loraruner.cli.output import emit, format_option, is_table
from loraruner.errors import NoPermission
from loraruner.files import write_bytes
from loraruner.spec import TASKS, catalog

if TYPE_CHECKING:
    from loraruner.advice import BaseFacts, Facts
    from loraruner.settings import Settings
    from loraruner.sources import Source
    from loraruner.spec import Spec

GB = 2**30


class Asked(TypedDict):
    """What the job is for."""

    source: str
    task: str | None
    metadata: str | None
    base: str | None
    name: str | None
    gpu_memory_gb: float | None


@click.command("advise")
@click.argument("source")
@click.option("--task", type=click.Choice(TASKS), help="What the data is for; by default what most of its files are.")
@click.option("--metadata", help="The file inside SOURCE that lists captions or transcripts, as data.metadata.")
@click.option("--base", metavar="URI", help="The base model, in any store; it is fetched, and its sizes are looked at.")
@click.option(
    "--gpu-memory-gb",
    type=click.FloatRange(min=0, min_open=True, max=100_000),
    callback=lambda context, parameter, number: _number(number),
    help="Memory of the GPU that will train, such as 24; by default that of this machine's GPU.",
)
@click.option("--name", help="Name of the adapter; by default after SOURCE.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the job to this file, and the schema beside it; an existing job is never overwritten.",
)
@format_option
@click.pass_obj
def advise(context: CliContext, output: Path | None, format: str | None, **asked: Unpack[Asked]) -> None:
    """Propose a job for SOURCE (a folder, an archive or a file of rows in any store): rank, batch, epochs, learning
    rate and more, each with its reason and where that is known from. Trains nothing.
    """
    _refuse_existing(output)
    from loraruner import advice
    from loraruner.advice import document
    from loraruner.cli import advice_table

    source, draft, facts = _look(asked, context.start())
    _refuse_inside(output, source)
    advised = advice.advise(facts)
    job = document.with_advice(draft, advised.advice)
    _check(job)
    written = {"written": _write(output, document.to_text(job))} if output else {}
    whole = advice_table.report(facts, advised, job)
    emit({**(advice_table.brief(facts, advised) if is_table(format) else whole), **written}, format=format)


def _look(asked: Asked, settings: Settings) -> tuple[Source, dict[str, Any], Facts]:
    """The data set, the job without settings, the facts; a fault in what was asked is told as soon as it can be."""
    from loraruner import sources
    from loraruner.advice.survey import survey, without_rejected
    from loraruner.families import load_family

    with sources.told_without_job():
        source = None if asked["task"] else sources.open_source(asked["source"], settings)
        task = source.task if source else str(asked["task"])
        draft, spec = _draft(asked, task)
        source = source or sources.open_source(asked["source"], settings, task)
        base, tokenizer = _base(asked["base"], task, settings)
        scan = without_rejected(load_family(task).scan(spec, source.path), source.path)
        facts = survey(task, scan, source.uri, base, tokenizer)
    return source, draft, _on_machine(facts, asked["gpu_memory_gb"])


def _draft(asked: Asked, task: str) -> tuple[dict[str, Any], Spec]:
    """The job without settings, as a document and as a family reads it; raises JobInvalid (64)."""
    from loraruner.advice import document
    from loraruner.spec import load

    draft = document.draft(task, asked["source"], metadata=asked["metadata"], base=asked["base"], name=asked["name"])
    return draft, load(document.to_text(draft).encode()).spec


def _base(uri: str | None, task: str, settings: Settings) -> tuple[BaseFacts | None, Any]:
    """The base's sizes, and for text what counts its tokens; the base is fetched and checked as for training."""
    if uri is None:
        return None, None
    from loraruner import stage
    from loraruner.advice.bases import read_base
    from loraruner.families import load_family

    family = load_family(task)
    path = stage.fetch_one(stage.list_input("--base", uri, settings), settings).path
    family.check_base(path)
    limit = family.token_limit(None, path) if task == "text-generation" else None
    return read_base(task, path), limit.count if limit else None


def _on_machine(facts: Facts, gpu_memory_gb: float | None) -> Facts:
    """The facts with the GPU that was named, else with this machine's."""
    from dataclasses import replace

    from loraruner.doctor import gpu_memory_bytes
    from loraruner.threads import available_cpus

    gpu_bytes = gpu_memory_bytes() if gpu_memory_gb is None else round(gpu_memory_gb * GB)
    return replace(facts, gpu_bytes=gpu_bytes, num_cpus=available_cpus())


def _check(job: dict[str, Any]) -> None:
    """What is proposed passes ``validate`` without a word, or the rules are at fault."""
    from loraruner.advice import document
    from loraruner.spec import load

    warnings = load(document.to_text(job).encode()).warnings
    assert not warnings, warnings


def _number(number: float | None) -> float | None:
    """What is no number passes click's range."""
    if number is not None and math.isnan(number):
        raise click.BadParameter("nan is no size of memory.")
    return number


def _refuse_existing(output: Path | None) -> None:
    if output and output.exists():
        raise click.UsageError(f"{output} exists already; give another name with --output, or remove it")


def _refuse_inside(output: Path | None, source: Source) -> None:
    """A job in the data set would be part of it the next time."""
    if output and output.resolve().is_relative_to(source.path.resolve()):
        raise click.UsageError(
            f"--output {output} lies in the data set and would become part of it; name another place"
        )


def _write(output: Path, text: str) -> list[str]:
    """Write the job, and the schema that it names where there is none; what was written."""
    _refuse_existing(output)  # it may have come since
    contents = {output: text, output.with_name(SCHEMA_NAME): catalog.schema_text()}
    written = [path for path in contents if not path.exists()]
    for path in written:
        try:
            write_bytes(path, contents[path].encode())
        except OSError as error:
            raise NoPermission(f"{path}: cannot be written ({error.strerror}); choose another --output") from None
    return [str(path) for path in written]
