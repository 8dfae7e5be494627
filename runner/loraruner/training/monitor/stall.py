"""A watchdog for a training that stands still: it tells, and ends nothing."""

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import copy_context

_LOG = logging.getLogger(__name__)
CHECKS_A_STALL = 10
MAX_FRAMES = 12  # of a thread, the innermost
MAX_THREADS = 32
MAX_CHARACTERS = 16_000
NAME = "stall-watch"


class Watchdog:
    """Calls ``tell(seconds)`` once when no ``beat`` came for ``stall_s`` seconds; use as a context manager.

    The log then says what every thread is doing. 0 seconds: no watch. What ``tell`` raises is logged and ends nothing.
    """

    def __init__(
        self, stall_s: float, tell: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stall_s, self._tell, self._clock = stall_s, tell, clock
        self._last, self._told_of = clock(), -1.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._watch,), name=NAME, daemon=True)

    def __enter__(self) -> "Watchdog":
        self.beat()
        if self._stall_s:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._thread.ident:
            self._thread.join(1.0)  # it may be telling somebody who is slow

    def beat(self) -> None:
        """Something was finished: a step, a batch of an evaluation, a checkpoint. Cheap."""
        self._last = self._clock()

    def look(self) -> None:
        """One check."""
        last = self._last
        silent_s = self._clock() - last
        if silent_s < self._stall_s or last == self._told_of:
            return
        self._told_of = last
        try:
            _LOG.warning("no step was finished for %.0f s; what the threads are doing:\n%s", silent_s, stacks())
            self._tell(silent_s)
        except Exception as error:  # whatever it is: the training thread meets it too, and may raise it
            _LOG.warning("the stall was not told: %s", error)

    def _watch(self) -> None:
        while not self._closed.wait(self._stall_s / CHECKS_A_STALL):
            self.look()


def stacks() -> str:
    """The innermost frames of every thread, the main one first, without values and without the watchdog; bounded."""
    frames, main = sys._current_frames(), threading.main_thread().ident
    others = (thread for thread in threading.enumerate() if thread.name != NAME)
    threads = sorted(others, key=lambda thread: thread.ident != main)
    parts = []
    for thread in threads[:MAX_THREADS]:
        if frame := frames.get(thread.ident or 0):
            lines = traceback.format_list(traceback.extract_stack(frame)[-MAX_FRAMES:])
            parts.append(f"thread {thread.name}:\n{''.join(lines)}")
    return "".join(parts)[:MAX_CHARACTERS].rstrip()
