"""SIGTERM for commands that may be given again: the work ends as with Ctrl-C, and nothing is left behind."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from loraruner.errors import Preempted


@contextmanager
def stopped_in_order(unfinished: str) -> Iterator[None]:
    """Raise Preempted (85) at SIGTERM: worker processes end, and files half written are removed.

    ``unfinished`` says what was not done, as in "the check was not finished".
    """

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise Preempted(f"SIGTERM received: {unfinished}; run the same command again")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
