"""``python -m tests.support.stopped_label MOMENT ARGUMENT ...``: the command line, to which something happens.

MOMENT is one of

- ``kill N``: SIGKILL once N batches are in the journal; ``torn N``: in the middle of a line of the batch after them;
- ``term N``, ``int N``: SIGTERM or SIGINT once N batches are in the journal;
- ``import``: SIGTERM while transformers is imported;
- ``never``.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from loraruner.data.label import labelling

SIGNALS = {"kill": signal.SIGKILL, "torn": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
Append = Callable[[Mapping[str, str]], None]


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


class WhenImported:
    """A finder that finds nothing, and sends the signal when transformers is looked for."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "transformers":
            send(signal.SIGTERM)


def watch(kind: str, number: int) -> None:
    """Put a journal that sends the signal in the place of the real one."""
    names = vars(labelling)
    real = names["appending"]

    @contextmanager
    def watched(path: Path, key: str) -> Iterator[Append]:
        with real(path, key) as append:
            yield counted(append, path, kind, number)

    names["appending"] = watched


def counted(append: Append, path: Path, kind: str, number: int) -> Append:
    count = 0

    def counting(said: Mapping[str, str]) -> None:
        nonlocal count
        if kind == "torn" and count == number:
            with path.open("ab") as stream:
                stream.write(b'{"captioner": "')
            send(signal.SIGKILL)
        append(said)
        count += 1
        if count == number and kind != "torn":
            send(SIGNALS[kind])

    return counting


def main() -> None:
    kind, _, number = sys.argv[1].partition(" ")
    if kind == "import":
        sys.meta_path.insert(0, WhenImported())
    elif kind != "never":
        watch(kind, int(number))
    from loraruner.cli import main as command_line

    command_line(sys.argv[2:])


if __name__ == "__main__":
    main()
