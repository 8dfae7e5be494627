"""A run as a person watches it: one live line on a terminal, nothing extra elsewhere (the log has sparse lines)."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loraruner.events import Emit, Evaluated, Event, StageStarted, StepDone

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


@contextmanager
def watched(live: bool) -> Iterator[Emit]:
    """Yield the ``emit`` for the pipeline; with ``live`` a rich progress line is shown on stderr."""
    if not live:
        yield lambda event: None
        return
    progress = _bar()
    line = progress.add_task("start", total=None, facts="")
    measured = ""

    def emit(event: Event) -> None:
        nonlocal line, measured
        if isinstance(event, StageStarted):
            progress.remove_task(line)  # a task that has a total keeps it
            line = progress.add_task(event.stage, total=None, facts="")
        elif isinstance(event, Evaluated):
            measured = _held_out(event)
        elif isinstance(event, StepDone):
            progress.update(line, total=event.total_steps, completed=event.step, facts=_figures(event) + measured)

    with progress:
        progress.console.show_cursor(True)  # rich hides it, and nothing would bring it back after a second Ctrl-C
        yield emit


def _bar() -> Progress:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("[bold]{task.description:<8}"),
        progress.BarColumn(bar_width=30),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[facts]}"),
        progress.TimeElapsedColumn(),
        progress.TextColumn("eta"),
        progress.TimeRemainingColumn(),
        console=_stderr_console(),
        refresh_per_second=4,
        transient=True,
    )


def _figures(event: StepDone) -> str:
    return f"loss {event.loss:.4f}  {1 / event.step_s:.1f} steps/s  {_memory_gb():.1f} GB"


def _held_out(event: Evaluated) -> str:
    """The first of what was measured beside the loss, else the loss."""
    name, value = next(iter(event.measures.items()), ("held-out loss", event.loss))
    return f"  {name} {value:.4f}"


def _stderr_console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _memory_gb() -> float:
    """Peak resident memory of this process, GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
