"""Attempts forked from a process that has torch and loraruner imported: a fresh process in milliseconds, not seconds.

A fork copies one thread only, so whoever forks must have no other; with ``OMP_NUM_THREADS=1`` torch starts none.
"""

import importlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loraruner.events import Emit, Event, StageStarted, StepDone

LIMIT_S = 300.0
CRASHED = 70
BEFORE_STAGES = "start"
TASKS = Path("/proc/self/task")
MODULES_TO = "FORKED_MODULES_TO"  # the file where an attempt lists what it imported


@dataclass(frozen=True)
class Moment:
    """When a signal is sent: ``delay_s`` after ``stage`` begins, or after the fork for ``start``."""

    stage: str
    delay_s: float


@dataclass
class Forked:
    """A running or ended attempt, and what it told of itself: ``stages`` with the second of each, and steps."""

    pid: int
    reader: int
    started_s: float = field(default_factory=time.monotonic)
    told: list[tuple[str, float]] = field(default_factory=list)
    code: int | None = None
    ended_s: float = 0.0
    _rest: bytes = b""

    def wait(self, moment: Moment | None = None, number: signal.Signals = signal.SIGKILL) -> int:
        """Send ``number`` at ``moment`` and wait for the end; the exit code, or minus the signal that ended it.

        An attempt that ends before its moment gets no signal.
        """
        deadline = self._deadline(moment)
        limit = self.started_s + LIMIT_S
        while self._listen(min(deadline, limit)):
            deadline = self._deadline(moment)
            if time.monotonic() >= deadline:
                os.kill(self.pid, number)
                moment, deadline = None, limit
            if time.monotonic() >= limit:
                os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        self.ended_s = time.monotonic() - self.started_s
        os.close(self.reader)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code

    @property
    def stage(self) -> str:
        """The stage that began last."""
        return self.stages()[-1][0]

    def stages(self) -> list[tuple[str, float]]:
        """Stages in order, each with the second at which it began."""
        begun = [(text.removeprefix("stage "), at_s) for text, at_s in self.told if text.startswith("stage ")]
        return [(BEFORE_STAGES, 0.0), *begun]

    def durations_s(self) -> dict[str, float]:
        """Seconds of each stage of an attempt that has ended."""
        begun = self.stages()
        ends = [at_s for _, at_s in begun[1:]] + [self.ended_s]
        return {name: end - at_s for (name, at_s), end in zip(begun, ends, strict=True)}

    def _deadline(self, moment: Moment | None) -> float:
        if moment is None:
            return self.started_s + LIMIT_S
        begun = dict(reversed(self.stages()))
        return self.started_s + begun[moment.stage] + moment.delay_s if moment.stage in begun else float("inf")

    def _listen(self, until_s: float) -> bool:
        """Read what the attempt tells until then; False once it has ended."""
        left_s = max(0.0, until_s - time.monotonic())
        if not select.select([self.reader], [], [], left_s)[0]:
            return True
        data = os.read(self.reader, 1 << 16)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.told += [(line.decode(), time.monotonic() - self.started_s) for line in lines]
        return bool(data)


def start(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> Forked:
    """Fork ``loraruner ARGUMENTS``; ``stdout`` and ``stderr`` become files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    pid = _fork()
    if pid:
        os.close(writer)
        return Forked(pid, reader)
    with _no_return():
        os.close(reader)
        os.environ.update(environment)
        _redirect(folder)
        _tell_stages(writer)
        from loraruner.cli import run

        code = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def call(function: Callable[[], Any]) -> Any:
    """What ``function`` returns in a forked process (JSON): whatever it does to the process stays there."""
    reader, writer = os.pipe()
    pid = _fork()
    if not pid:
        with _no_return():
            os.close(reader)
            with os.fdopen(writer, "w") as stream:
                json.dump(function(), stream)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the forked process failed; see its traceback above"
    return json.loads(text)


def import_what_an_attempt_imports(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
    """Run an attempt to its end and import all modules that it needed, so that the next ones need no time for it."""
    listing = folder / "modules.txt"
    attempt = start(arguments, {**environment, MODULES_TO: str(listing)}, folder)
    assert attempt.wait() == 0, (folder / "stderr.txt").read_text()[-2000:]
    for name in listing.read_text().split():
        with suppress(ImportError):  # some are made by other modules and have no file: the attempt makes them again
            importlib.import_module(name)


def _fork() -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    threads = len(list(TASKS.iterdir()))
    assert threads == 1, f"{threads} threads are running: a fork would copy one, and locks that the others hold"
    return os.fork()


@contextmanager
def _no_return() -> Iterator[None]:
    """The child never goes on with its parent's work, whatever happens."""
    try:
        yield
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(CRASHED)


def _redirect(folder: Path) -> None:
    for name, number in (("stdout.txt", 1), ("stderr.txt", 2)):
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)


def _tell_stages(writer: int) -> None:
    """Put a watcher that writes stages and steps into the pipe in the place of the progress display."""
    from loraruner.cli import progress

    def tell(event: Event) -> None:
        if isinstance(event, StageStarted):
            os.write(writer, f"stage {event.stage}\n".encode())
        elif isinstance(event, StepDone):
            os.write(writer, f"step {event.step}\n".encode())

    @contextmanager
    def watched(live: bool) -> Iterator[Emit]:
        yield tell
        if listing := os.environ.get(MODULES_TO):
            Path(listing).write_text("\n".join(sorted(sys.modules)))

    progress.watched = watched
