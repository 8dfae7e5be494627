"""How far a command is that looks at many things: a bar on a terminal, else a line in the log now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_EVERY_S = 15.0

_LOG = logging.getLogger(__name__)


@contextmanager
def counting(what: str, live: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield what to call with the number done and the number of all; ``what`` names them, as in "pictures"."""
    if live:
        with _bar(what) as told:
            yield told
    else:
        yield _lines(what)


def _lines(what: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            _LOG.info("%d of %d %s", done, total, what)

    return told


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.TextColumn("[bold]{task.description}"),
        progress.BarColumn(bar_width=30),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("eta"),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        refresh_per_second=4,
        transient=True,
    )
    line = bar.add_task(what, total=None)
    with bar:
        yield lambda done, total: bar.update(line, completed=done, total=total)
