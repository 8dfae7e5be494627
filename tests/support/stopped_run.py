"""``python -m tests.support.stopped_run MOMENT ARGUMENT ...``: the command line, to which something happens at MOMENT.

MOMENT is one of

- ``import``: SIGTERM while the pipeline is imported;
- ``stage NAME``: SIGTERM at the begin of a stage;
- ``step N``: SIGTERM in training, after step N; ``twice N``: two of them;
- ``wrapped NAME``: SIGTERM in a stage, where a library turns what the handler raised into an error of its own;
- ``write KEY``: SIGTERM when the object KEY is about to be written; ``kill KEY``: SIGKILL, ``twice-write KEY``: two
  SIGTERM there;
- ``upload END``: SIGTERM when the first file whose key has that end is about to be sent; ``twice-upload END``: two;
- ``call N MODULE:NAME``: SIGTERM when that function is about to be called for the N-th time; ``twice-call``: two;
  ``freeze-call``: SIGSTOP;
- ``caption N``: SIGTERM when the captioner is about to see its N-th batch; ``mute N``: SIGKILL there;
- ``files BYTES``: no file may grow beyond BYTES, so that writing fails in the operating system;
- ``never``.
"""

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from loraruner.events import Emit, Event, StageStarted, StepDone
from loraruner.files import Digest


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def send_as(kind: str) -> None:
    """SIGTERM; for ``twice-...`` a second one once the first has been taken note of, whatever thread this is."""
    if kind.startswith("freeze"):
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # sent to the process, it may come a little later
        return
    try:
        send()
    finally:  # in the main thread the first one raises
        if kind.startswith("twice"):
            while signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
                time.sleep(0.001)
            send()


class WhenImported:
    """A finder that finds nothing, and sends the signal when the pipeline is looked for."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "loraruner.pipeline":
            send()


def at(kind: str, value: str, event: Event) -> None:
    """Send what the moment asks for when ``event`` is it."""
    if isinstance(event, StageStarted) and event.stage == value and kind == "stage":
        send()
    elif isinstance(event, StageStarted) and event.stage == value and kind == "wrapped":
        try:
            send()
        except Exception as error:
            raise RuntimeError("Failed to import transformers.models.clip") from error
    elif isinstance(event, StepDone) and str(event.step) == value and kind in ("step", "twice"):
        send_as(kind)


def watch(kind: str, value: str) -> None:
    """Put ``at`` in the place of the progress display."""
    from loraruner.cli import progress

    @contextmanager
    def watched(live: bool) -> Iterator[Emit]:
        yield lambda event: at(kind, value, event)

    progress.watched = watched


def intercept(kind: str, wanted: str) -> None:
    """Send the signal when the local store is about to write ``wanted``."""
    from loraruner.stores.local import LocalStore

    write = LocalStore.write

    def intercepted(self: LocalStore, key: str, data: bytes, **condition: Any) -> str:
        if key == wanted:
            send(signal.SIGKILL) if kind == "kill" else send_as(kind)
        return write(self, key, data, **condition)

    LocalStore.write = intercepted  # type: ignore[method-assign]


def intercept_upload(kind: str, end: str) -> None:
    """Send the signal when the local store is about to take a file whose key has that end, the first time."""
    from loraruner.stores.local import LocalStore

    upload, sent = LocalStore.upload, False

    def intercepted(self: LocalStore, path: Path, key: str, **condition: Any) -> Digest:
        nonlocal sent
        if key.endswith(end) and not sent:
            sent = True
            send_as(kind)
        return upload(self, path, key, **condition)

    LocalStore.upload = intercepted  # type: ignore[method-assign]


def intercept_call(kind: str, value: str) -> None:
    """Send the signal before the N-th call of ``MODULE:NAME`` or ``MODULE:CLASS.NAME``."""
    number, _, place = value.partition(" ")
    module, _, path = place.partition(":")
    *outer, name = path.split(".")
    owner: Any = import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    real, calls = getattr(owner, name), 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == int(number):
            send_as(kind)
        return real(*arguments, **named)

    setattr(owner, name, counted)


def interrupt(kind: str, batch: int) -> None:
    """Send the signal when the captioner is about to see the batch of that number, from 1."""
    from loraruner.data.label import Captioner

    captions, seen = Captioner.captions, 0

    def interrupted(self: Captioner, pictures: Any) -> list[str]:
        nonlocal seen
        seen += 1
        if seen == batch:
            send(signal.SIGKILL if kind == "mute" else signal.SIGTERM)
        return captions(self, pictures)

    Captioner.captions = interrupted  # type: ignore[method-assign]


def arrange(kind: str, value: str) -> None:
    """Prepare what the moment asks for."""
    if kind == "import":
        sys.meta_path.insert(0, WhenImported())
    elif kind in ("write", "twice-write", "kill"):
        intercept(kind, value)
    elif kind in ("upload", "twice-upload"):
        intercept_upload(kind, value)
    elif kind in ("call", "twice-call", "freeze-call"):
        intercept_call(kind, value)
    elif kind in ("caption", "mute"):
        interrupt(kind, int(value))
    elif kind == "files":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(value), int(value)))
    elif kind != "never":
        watch(kind, value)


def main() -> None:
    kind, _, value = sys.argv[1].partition(" ")
    arrange(kind, value)
    from loraruner.cli import main as command_line

    command_line(sys.argv[2:])


if __name__ == "__main__":
    main()
