"""The result on stdout as one JSON object, or as a table for people; what is said to people on stderr."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from loraruner import settings
from loraruner.redact import Redactor

F = TypeVar("F", bound=Callable[..., Any])


def format_option(function: F) -> F:
    """The option ``--format`` of every command that has a result."""
    return click.option(
        "--format",
        "format",
        type=click.Choice(["json", "table"]),
        help="How the result is printed; by default a table on a terminal, else one JSON object.",
    )(function)


def emit(result: Mapping[str, Any], *, format: str | None = None) -> None:
    """Print a command's result: one JSON object, or tables. None takes tables on a terminal, else JSON.

    Secrets are struck from it: results tell addresses, and what servers answered.
    """
    result = Redactor(settings.secrets()).values(dict(result))
    if is_table(format):
        _print_tables(result)
    else:
        click.echo(json.dumps(result))


def is_table(format: str | None) -> bool:
    """Whether a result is printed for people: asked for, or not asked and stdout is a terminal."""
    return format == "table" or (format is None and sys.stdout.isatty())


def say(text: str) -> None:
    """Tell people something: one line on stderr, secrets struck."""
    click.echo(Redactor(settings.secrets()).strike(text), err=True)


def _print_tables(result: Mapping[str, Any]) -> None:
    """Plain values as one table of two columns, then each list of objects as a table of its own."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    lists = {key: value for key, value in result.items() if _is_rows(value)}
    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_column()
    facts.add_column(overflow="fold")  # a digest cut short can't be compared
    for key, value in result.items():
        if key not in lists:
            facts.add_row(key, _cell(value))
    console.print(facts)
    for title, rows in lists.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column, overflow="fold")  # a name or a pointer cut short can't be looked for
        for row in rows:
            table.add_row(*(_cell(row.get(column)) for column in columns))
        console.print(table)


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _cell(value: object) -> Any:
    """Text that rich takes literally: values may hold what it would read as markup."""
    from rich.text import Text

    if value is None:
        return Text("-")
    if isinstance(value, list | tuple):
        return Text("\n".join(str(item) for item in value) or "-")
    return Text(value if isinstance(value, str) else json.dumps(value))
