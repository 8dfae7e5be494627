"""The one retry loop: what may pass by itself is tried again, with growing pauses or those the store asks for."""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from loraruner.errors import EnvironmentUnfit, IntegrityError, TemporaryFailure
from loraruner.stores.parallel import Stopped

log = logging.getLogger(__name__)
Result = TypeVar("Result")

NUM_TRIES = 6
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
LONGEST_WAIT_S = 30.0  # of what a store may ask for by Retry-After
NUM_SKEWED_TRIES = 2


class Later(TemporaryFailure):
    """The store is unavailable and says after how many seconds to ask again."""

    def __init__(self, text: str, wait_s: float) -> None:
        super().__init__(text)
        self.wait_s: float = wait_s


class Skewed(EnvironmentUnfit):
    """The store refuses the time at which a request was signed.

    A machine that was suspended in the middle of a request signs the next one afresh: once more is enough.
    """


def patiently(call: Callable[[], Result], *, stop: threading.Event | None = None) -> Result:
    """``call()``, repeated after a TemporaryFailure or an IntegrityError, ``NUM_TRIES`` times in all.

    ``stop`` ends a pause with Stopped.
    """
    stop = stop or threading.Event()
    for number in range(1, NUM_TRIES):
        try:
            return call()
        except (TemporaryFailure, IntegrityError, Skewed) as error:
            if isinstance(error, Skewed) and number >= NUM_SKEWED_TRIES:
                raise
            pause_s = _pause_s(error, number)
            log.warning("try %d of %d failed, the next in %.1f s: %s", number, NUM_TRIES, pause_s, error)
            if stop.wait(pause_s):
                raise Stopped from error
    return call()


def _pause_s(error: Exception, number: int) -> float:
    pause_s: float = random.uniform(0.5, 1) * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**number)
    return max(pause_s, min(error.wait_s, LONGEST_WAIT_S)) if isinstance(error, Later) else pause_s


@contextmanager
def hurried(pause_s: float) -> Iterator[None]:
    """No pause of this process is longer than ``pause_s``: for trials, in which a store fails on purpose."""
    global FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_WAIT_S
    before = FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_WAIT_S
    FIRST_PAUSE_S = LONGEST_PAUSE_S = LONGEST_WAIT_S = pause_s
    try:
        yield
    finally:
        FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_WAIT_S = before
