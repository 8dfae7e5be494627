"""The kinds of fault that a trial plants, and the draw of the requests that meet one."""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from loraruner.faults.proxy import Seen

FOLDER = re.compile(r"loraruner-selftest-[0-9a-f]+")
OF_ONE_UPLOAD = re.compile(r"&?uploadId=[^&]*")


@dataclass(frozen=True)
class Kind:
    """One thing that goes wrong. ``fault`` is the proxy's word for it."""

    name: str
    fault: str
    meets: Callable[[Seen], bool]
    says: str
    spread: int = 1  # one of the first so many requests that it can meet meets it for certain


def _any(seen: Seen) -> bool:
    return True


def is_list(seen: Seen) -> bool:
    """A LIST of objects."""
    return "list-type=2" in seen.path


def is_object(seen: Seen) -> bool:
    """A GET of an object's content."""
    return seen.method == "GET" and not is_list(seen)


def is_write(seen: Seen) -> bool:
    """Whatever changes the store."""
    return seen.method in ("PUT", "POST", "DELETE")


def is_content(seen: Seen) -> bool:
    """A PUT of an object's or a part's content."""
    return seen.method == "PUT"


def is_completion(seen: Seen) -> bool:
    """The request that makes a multipart upload an object."""
    return seen.method == "POST" and "uploadId=" in seen.path


def _is_pinned(seen: Seen) -> bool:
    return is_object(seen) and "if-match" in seen.headers


KINDS = (
    Kind("500", "500", _any, "the store fails", 12),
    Kind("503", "503", _any, "the store is busy", 12),
    Kind("503 Retry-After", "503-later", _any, "the store is busy and says for how long", 12),
    Kind("503 checksum", "503-checksum", _any, "the store is busy, its answer has a checksum of something else", 12),
    Kind("429", "429", _any, "too many requests", 12),
    Kind("time-out", "stall", _any, "no answer comes", 12),
    Kind("reset", "reset", _any, "the connection is reset before an answer", 12),
    Kind("reset in body", "broken", is_object, "the connection is reset in the middle of a body", 6),
    Kind("cut", "cut", is_object, "the connection ends in the middle of a body", 6),
    Kind("shortened", "shortened", is_object, "half a body, whose length is told as if it were all", 6),
    Kind("shortened chunks", "chunked", is_object, "half a body in chunks, ended in order", 6),
    Kind("flipped bit", "flip", is_object, "one bit of a body is changed", 6),
    Kind("flipped bit sent", "flip-sent", is_content, "one bit of what is written is changed on its way", 4),
    Kind("checksum header", "checksum", _any, "right bytes with a checksum of others", 12),
    Kind("412", "412", _is_pinned, "the object is said to have changed in the middle of a download", 6),
    Kind("ETag", "etag", _any, "an answer carries the ETag of another content", 12),
    Kind("403", "expired", _any, "the credentials expire", 12),
    Kind("clock skew", "skewed", _any, "the store refuses the time at which a request was signed", 12),
    Kind("wrong Date", "date", _any, "the store's clock is hours ahead in one answer", 12),
    Kind("lost answer", "lost", is_write, "a write is done, and its answer is a 503", 4),
    Kind("twice", "twice", is_write, "a write arrives twice, and the second answer is given", 4),
    Kind("200 with error", "failed-200", is_completion, "success with an error in the body; nothing was done"),
    Kind("200, error, done", "error-200", is_completion, "success with an error in the body; the write was done"),
    Kind("stale LIST", "stale", is_list, "an earlier list of objects is given again"),
)


class Draw:
    """Chooses a share ``rate`` of the requests that ``kind`` can meet, and one at least.

    A hash chooses, so that the order of threads has no say. ``num_injected`` tells how many faults were done.
    """

    def __init__(self, kind: Kind, rate: float, seed: int, num_injected: Callable[[], int]) -> None:
        self._kind, self._rate, self._seed, self._num_injected = kind, rate, seed, num_injected
        self._asked: Counter[str] = Counter()
        self._first = int(self._drawn("first") * kind.spread)
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> str | None:
        """The proxy's word for the fault, or None."""
        if not self._kind.meets(seen):
            return None
        path = OF_ONE_UPLOAD.sub("", FOLDER.sub("", seen.path))
        request = f"{seen.method} {path} {seen.range}"
        with self._lock:
            late = self._asked.total() - self._first
            overdue = late >= 0 and late % self._kind.spread == 0 and not self._num_injected()
            self._asked[request] += 1
            number = self._asked[request]
        return self._kind.fault if overdue or self._drawn(f"{request} {number}") < self._rate else None

    def _drawn(self, what: str) -> float:
        """From 0 to below 1."""
        text = f"{self._seed} {self._rate} {self._kind.name} {what}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
