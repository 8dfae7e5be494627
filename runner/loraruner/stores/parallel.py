"""Several blocking transfers at once, that end together: no thread outlives the call."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stopped(Exception):
    """Raised by a task that was told to stop: another one failed, or the caller was interrupted."""


def run(
    task: Callable[[Item, threading.Event], Result],
    items: Iterable[Item],
    *,
    num_workers: int,
    consume: Callable[[Item, Result], None],
) -> None:
    """Run ``task(item, stop)`` for every item in threads; ``consume`` gets the results in the items' order.

    Tasks look at ``stop`` between two reads and raise Stopped. The first real failure is raised; an exception
    in the calling thread (a signal handler's too) stops the tasks, waits for their end, and passes through.
    """
    stop = threading.Event()
    failures: list[Exception] = []

    def guarded(item: Item) -> Result:
        if stop.is_set():
            raise Stopped
        try:
            return task(item, stop)
        except Stopped:
            raise
        except Exception as error:  # not handled here: it is raised again, in the caller's thread
            failures.append(error)
            stop.set()
            raise

    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="transfer")
    try:
        futures = [(item, pool.submit(guarded, item)) for item in items]
        for item, future in futures:
            consume(item, future.result())
    except Stopped:
        raise failures[0] from None
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
