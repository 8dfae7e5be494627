"""The one retry loop for transfers: what may pass by itself is tried again, with growing pauses."""

import logging
import random
import threading
from collections.abc import Callable
from typing import TypeVar

from loraruner.errors import IntegrityError, TemporaryFailure
from loraruner.stores.parallel import Stopped

log = logging.getLogger(__name__)
Result = TypeVar("Result")

NUM_TRIES = 6
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0


def patiently(call: Callable[[], Result], *, stop: threading.Event | None = None) -> Result:
    """``call()``, repeated after a TemporaryFailure or an IntegrityError, ``NUM_TRIES`` times in all.

    ``stop`` ends a pause with Stopped.
    """
    stop = stop or threading.Event()
    for number in range(1, NUM_TRIES):
        try:
            return call()
        except (TemporaryFailure, IntegrityError) as error:
            pause_s = random.uniform(0.5, 1) * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**number)
            log.warning("try %d of %d failed, the next in %.1f s: %s", number, NUM_TRIES, pause_s, error)
            if stop.wait(pause_s):
                raise Stopped from error
    return call()
