"""SIGTERM and SIGINT: finish what must not be torn, keep what is committed, then end with 85."""

import logging
import math
import signal
import time
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
        self._received_at = math.inf
        self._depth = 0

    def install(self) -> None:
        """Take over both signals; main thread only."""
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received, self._received_at = signal.Signals(number).name, time.monotonic()
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        if not self._depth:
            self.check()

    def age_s(self) -> float:
        """Seconds since the signal came; negative infinity before it."""
        return time.monotonic() - self._received_at

    def check(self) -> None:
        """Raise Preempted when a signal has come and nothing holds it back.

        Stages call it at their boundaries too, because a library may have swallowed the exception of the handler.
        """
        if self.received and not self._depth:
            raise Preempted(f"{self.received} received: all committed work is kept; start the same job again to resume")

    def disarm(self) -> None:
        """From here on the first signal changes nothing: what remains is short and must not be torn."""
        self._depth += 1

    @contextmanager
    def unmasked(self) -> Iterator[None]:
        """After a signal, Preempted in place of any other error: libraries wrap what the handler raised."""
        try:
            yield
        except Preempted:
            raise
        except Exception:
            self.check()
            raise

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Hold the signal back; the holder looks at ``received`` and leaves in order."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
