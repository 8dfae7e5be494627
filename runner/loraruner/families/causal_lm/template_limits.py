"""A base model's chat template is code nobody vouches for: it gets little time, memory and text.

The sandbox that transformers renders it in keeps it from Python's internals and stops a single long ``range``, but
neither loops within loops nor ``'a' * 10 ** 10``.
"""

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from jinja2.exceptions import TemplateError

from loraruner.data.lines import BadValue
from loraruner.errors import DataInvalid

MAX_RENDER_S = 10.0  # of this process's own computing for one text; real templates take milliseconds
AGAIN_S = 0.5  # where the first alarm was lost in a destructor
MAX_RENDER_BYTES = 2 << 30  # of address space that one rendering may add
MAX_RENDERED_CHARS = 16 << 20
ANOTHER = "use a base with another template, or rows of prompt and completion"
# What an expression of a template raises when it does not fit the conversation, each a fault of this row.
UNFIT = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
_ONE_AT_A_TIME = threading.RLock()  # the limits are the process's: of two that overlap, one would stay


class _OutOfTime(BaseException):
    """Rendering took too long; no ``except Exception`` of a library may catch it."""


@contextmanager
def template_limited() -> Iterator[None]:
    """Render one text inside; BadValue for what this conversation provokes, DataInvalid (65) for what ends the job.

    A template that runs out of time or memory would do so for every row, hence the second. Time can be taken in the
    main thread alone, where signals are handled.
    """
    try:
        with _ONE_AT_A_TIME, _time_limited(), _memory_limited():
            yield
    except UNFIT as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BadValue(
            f"the base's chat template refuses this conversation ({reason}); mend the row's roles or their order"
        ) from error
    except RecursionError:
        raise BadValue(f"the base's chat template recurses without an end; {ANOTHER}") from None
    except MemoryError:
        raise DataInvalid(
            f"$.model.base: its chat template asks for more than {MAX_RENDER_BYTES:,} bytes of memory; {ANOTHER}"
        ) from None
    except _OutOfTime:
        raise DataInvalid(
            f"$.model.base: its chat template computes longer than {MAX_RENDER_S:g} s on one conversation; {ANOTHER}"
        ) from None


def require_short(text: str) -> str:
    """What a template made; BadValue when it is absurdly long."""
    if len(text) > MAX_RENDERED_CHARS:
        raise BadValue(f"the base's chat template makes {len(text):,} characters of it; {ANOTHER}")
    return text


@contextmanager
def _time_limited() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _end)
    signal.setitimer(signal.ITIMER_VIRTUAL, MAX_RENDER_S, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise _OutOfTime


@contextmanager
def _memory_limited() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _used_bytes() + MAX_RENDER_BYTES
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _used_bytes() -> int:
    """Address space of this process now (proc(5), statm: the first number is pages)."""
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[0]) * resource.getpagesize()
