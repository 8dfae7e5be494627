"""``registry list``, ``search`` and ``reindex``: many versions at once."""

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from loraruner.cli.output import emit, say
from loraruner.cli.registry_table import as_csv, version_lines

F = TypeVar("F", bound=Callable[..., Any])
STATUSES = ("candidate", "approved", "rejected", "released", "archived")


def filter_options(function: F) -> F:
    """The options that choose rows; each may be given several times, and all must hold."""
    options = (
        click.option("--task", "tasks", multiple=True, help="Of this task."),
        click.option("--team", "teams", multiple=True, help="Of this team (labels.team)."),
        click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="With this label."),
        click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES), help="That stands there."),
        click.option("--since", metavar="DATE", help="Made on this day or later (2026-11-22)."),
        click.option("--until", metavar="DATE", help="Made on this day or earlier."),
        click.option(
            "--metric", "metrics", multiple=True, metavar="TEST", help='That measures so: "evaluation_after<1.2".'
        ),
        click.option("--name", "names", multiple=True, metavar="PATTERN", help="With such a name; * and ? stand open."),
        click.option("--latest", is_flag=True, help="Only the latest version of each name."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def rows_format_option(function: F) -> F:
    """The option ``--format`` of commands whose result is rows."""
    return click.option(
        "--format",
        "format",
        type=click.Choice(["json", "table", "csv"]),
        help="How the result is printed; by default a table on a terminal, else one JSON object.",
    )(function)


@contextmanager
def uncollected() -> Iterator[None]:
    """Rows are plain values without cycles: looking for some again and again takes a tenth of a long list's time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@click.command("list")
@click.argument("uri")
@filter_options
@click.option("--all-runs", is_flag=True, help="Also the runs that ended without a version.")
@rows_format_option
@uncollected()
def list_(uri: str, all_runs: bool, format: str | None, **chosen: Any) -> None:
    """List the versions below URI: a job's output.uri (every adapter), or URI/NAME (one)."""
    from loraruner import settings
    from loraruner.registry.catalogue import list_versions
    from loraruner.registry.filters import Filters, apply

    filters = Filters(**chosen)
    apply((), filters)  # a filter that is none is told before anything is read
    found = list_versions(uri, settings.load(), all_runs=all_runs)
    rows = apply(found, filters)
    if not rows:
        nothing = f"none of the {len(found):,} is of that kind in" if found else "no version is published in"
        say(f"{nothing} {uri}")
    emit_rows(rows, format)


@click.command()
@click.argument("uri")
@click.argument("words", nargs=-1, required=True)
@rows_format_option
@uncollected()
def search(uri: str, words: Sequence[str], format: str | None) -> None:
    """Find versions below URI by WORDS in name, labels, base, data or prompts; all of them must be there."""
    from loraruner import settings
    from loraruner.registry.catalogue import list_versions
    from loraruner.registry.search import search as find

    rows = find(list_versions(uri, settings.load()), words)
    if not rows:
        say(f"no version in {uri} has all of these words")
    emit_rows(rows, format)


@click.command()
@click.argument("uri")
def reindex(uri: str) -> None:
    """Make the index of URI, a job's output.uri, again from what is there. It is only a copy: nothing can be lost."""
    from loraruner import settings
    from loraruner.registry.index import reindex as make

    emit(make(uri, settings.load()))


def emit_rows(rows: Sequence[Mapping[str, Any]], format: str | None) -> None:
    """Print rows: as a table, as CSV, or as one JSON object, quickly also where they are many.

    The rows are without anything that looks like a credential already (registry.rows); where one of the secrets that
    this process knows is in them, everything is struck word by word.
    """
    from loraruner import settings
    from loraruner.cli.output import is_table
    from loraruner.redact import Redactor

    if is_table(format):
        emit({"versions": version_lines(rows)}, format=format)
        return
    redactor = Redactor(settings.secrets())
    text = as_csv(rows).rstrip("\n") if format == "csv" else json.dumps({"versions": list(rows)})
    if redactor.knows(text):
        struck = redactor.values(list(rows))
        text = as_csv(struck).rstrip("\n") if format == "csv" else json.dumps({"versions": struck})
    click.echo(text)
