"""SIGTERM and SIGINT: finish what must not be torn, keep what is committed, then end with 85."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from loraruner.errors import Preempted

_LOG = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """The first signal raises Preempted, or is held back inside ``deferred``; a second one ends the process at once."""

    def __init__(self) -> None:
        self.received: str | None = None
        self._depth = 0

    def install(self) -> None:
        """Take over both signals; main thread only."""
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        if not self._depth:
            self.check()

    def check(self) -> None:
        """Raise Preempted when a signal has come and nothing holds it back.

        Stages call it at their boundaries too, because a library may have swallowed the exception of the handler.
        """
        if self.received and not self._depth:
            raise Preempted(f"{self.received} received: all committed work is kept; start the same job again to resume")

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Hold the signal back; the holder looks at ``received`` and leaves in order."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
