"""``registry review``, ``promote``, ``pull`` and ``sync``: what becomes of a version."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from loraruner.cli.output import emit, format_option

F = TypeVar("F", bound=Callable[..., Any])


def who_options(function: F) -> F:
    """The options ``--comment`` and ``--by``."""
    by = click.option("--by", envvar=["USER", "LOGNAME"], default="", metavar="WHO", help="Who says so; else $USER.")
    comment = click.option("--comment", default="", metavar="TEXT", help="Why; at most 2,000 characters.")
    return comment(by(function))


@click.command()
@click.argument("version")
@click.option("--approve", "verdict", flag_value="approved", help="It may be released.")
@click.option("--reject", "verdict", flag_value="rejected", help="It may not be released.")
@click.option("--score", type=click.FloatRange(1, 5), help="How good it is, 1 to 5; your newest score counts.")
@who_options
@format_option
def review(version: str, verdict: str | None, score: float | None, comment: str, by: str, format: str | None) -> None:
    """Say what you think of VERSION: URI/NAME/versions/3, URI/NAME@3, or URI/NAME for its latest one.

    A review is added, never changed; the newest verdict counts.
    """
    from loraruner import settings
    from loraruner.registry import judging

    found = judging.review(version, settings.load(), verdict=verdict, score=score, comment=comment, by=by)
    emit(found, format=format)


@click.command()
@click.argument("version")
@click.argument("to", type=click.Choice(["candidate", "released", "archived"]))
@who_options
@format_option
def promote(version: str, to: str, comment: str, by: str, format: str | None) -> None:
    """Move VERSION on: an approved one can be released, any can be archived, an archived one becomes candidate again.

    A move that is not allowed ends with 73 and changes nothing.
    """
    from loraruner import settings
    from loraruner.registry import judging

    emit(judging.promote(version, settings.load(), to, by=by, comment=comment), format=format)


@click.command()
@click.argument("version")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="The folder; by default NAME-VERSION, here.")
@format_option
def pull(version: str, folder: Path | None, format: str | None) -> None:
    """Fetch VERSION, each file verified: URI/NAME or URI/NAME@released, URI/NAME@latest, URI/NAME@3.

    Without an @ it is the version that is released.
    """
    from loraruner import settings
    from loraruner.registry import pull as pulling

    emit(pulling.pull(version, settings.load(), folder), format=format)


@click.command()
@click.argument("uri")
@click.option("--sheet", "sheet_id", type=click.IntRange(1), required=True, metavar="ID", help="The sheet.")
@click.option("--score-column", default=None, metavar="TITLE", help="The column with the scores.")
@click.option("--run-column", default=None, metavar="TITLE", help="The column with the run ids.")
@format_option
def sync(uri: str, sheet_id: int, score_column: str | None, run_column: str | None, format: str | None) -> None:
    """Add the scores that people gave in a Smartsheet to the versions below URI, as reviews.

    The same score is added once: run it as often as you like.
    """
    from loraruner import settings
    from loraruner.notifiers.smartsheet import read_scores
    from loraruner.registry.sync import sync_scores

    titles = {name: title for name, title in (("score_title", score_column), ("run_title", run_column)) if title}
    environment = settings.load()
    scores = read_scores(sheet_id, environment, **titles)
    emit(sync_scores(uri, environment, scores, by=f"smartsheet:{sheet_id}"), format=format)
