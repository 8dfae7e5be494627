"""A store behind a bad network: a seeded scheduler decides which request arrives when, and which answer gets lost.

Each attempt runs in a thread of its own, but only one at a time: the one whose request was answered, until it asks
again. The others are frozen. A request whose answer was lost may arrive at any later time.
"""

import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loraruner.errors import InputMissing, TemporaryFailure
from loraruner.files import Digest, digest_bytes
from loraruner.stores.base import Capabilities, ObjectInfo, PreconditionFailed

FATES = ("answered", "lost", "late", "killed")
WEIGHTS = (96, 1, 2, 1)
SWITCH = 0.06  # how often another attempt wakes up
ARRIVES = 0.03  # how often a late request does


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Actor:
    """One attempt. Its clock stands still while it is frozen, as that of a suspended machine does."""

    woken: threading.Event = field(default_factory=threading.Event)
    asked: Callable[[], Any] | None = None
    writes: str = ""  # the key that it asks to change
    answer: Any = None
    error: BaseException | None = None
    clock_s: float = 0.0


class ScheduledStore:
    """Objects in memory with the ETags of S3: a digest of the content. ``look`` is called after every change."""

    uri = "memory"
    fatal = ""
    """Writes to keys that end so are the last that their attempt does, every other time."""

    def __init__(self, seed: int, look: Callable[["ScheduledStore", str], None]) -> None:
        self.random, self.look = random.Random(seed), look
        self.objects: dict[str, bytes] = {}
        self.written_s: dict[str, float] = {}
        self.now_s, self.late, self.faulty = 1000.0, list[Callable[[], Any]](), True
        self._actors: dict[threading.Thread, Actor] = {}
        self._asking = threading.Event()

    def run(self, programs: list[Callable[[], None]]) -> None:
        """Start all, and decide about their requests until every one has ended."""
        running = [self._start(program) for program in programs]
        favourite = running[0]
        while running := [actor for actor in running if actor.asked]:
            if favourite not in running or self.random.random() < SWITCH:
                favourite = self.random.choice(running)
            if self.late and self.random.random() < ARRIVES:
                self.arrive(self.random.randrange(len(self.late)))
            self._decide(favourite)

    def arrive(self, index: int) -> None:
        """A request of which nobody waits for the answer any more."""
        _answer_of(self.late.pop(index))

    def clock_s(self) -> float:
        """The clock of whoever asks."""
        return self._me().clock_s

    def pause(self, seconds: float) -> None:
        """Time passes for all."""

        def pass_() -> None:
            self.now_s += seconds
            me.clock_s += seconds

        me = self._me()
        self._ask(pass_)

    def _start(self, program: Callable[[], None]) -> Actor:
        def body() -> None:
            try:
                self._ask(lambda: None)
                program()
            except (Killed, TemporaryFailure):
                pass
            finally:
                actor.asked = None
                self._asking.set()

        thread = threading.Thread(target=body, daemon=True)
        actor = self._actors[thread] = Actor()
        self._asking.clear()
        thread.start()
        self._asking.wait(30)
        return actor

    def _me(self) -> Actor:
        return self._actors[threading.current_thread()]

    def _ask(self, request: Callable[[], Any], writes: str = "") -> Any:
        actor = self._me()
        actor.asked, actor.writes = request, writes
        actor.woken.clear()
        self._asking.set()
        actor.woken.wait()
        if actor.error:
            raise actor.error
        return actor.answer

    def _decide(self, actor: Actor) -> None:
        request, fate = actor.asked, self._fate(actor.writes) if self.faulty else "answered"
        assert request
        actor.answer, actor.error = None, TemporaryFailure("the answer was lost")
        if fate in ("answered", "lost"):
            answer, error = _answer_of(request)
            if fate == "answered":
                actor.answer, actor.error = answer, error
        else:
            self.late.append(request)
            if fate == "killed":
                actor.error = Killed()
        self._asking.clear()
        actor.woken.set()
        self._asking.wait(30)

    def _fate(self, key: str) -> str:
        fatal = self.fatal and key.endswith(self.fatal) and self.random.random() < 0.5
        return "killed" if fatal else self.random.choices(FATES, WEIGHTS)[0]

    def probe(self) -> Capabilities:
        return Capabilities(create_exclusive=True, replace_if_match=True, checksum_mode="none")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        found: list[ObjectInfo] = self._ask(
            lambda: [self._info(key) for key in sorted(self.objects) if key.startswith(prefix)]
        )
        return iter(found)

    def head(self, key: str) -> ObjectInfo | None:
        found: ObjectInfo | None = self._ask(lambda: self._info(key) if key in self.objects else None)
        return found

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        def get() -> tuple[bytes, str]:
            if key not in self.objects:
                raise InputMissing(key)
            return self.objects[key], _etag(self.objects[key])

        found: tuple[bytes, str] = self._ask(get)
        return found

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        raise NotImplementedError

    def write(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        def put() -> str:
            present = self.objects.get(key)
            if (if_absent and present is not None) or (if_match and (present is None or _etag(present) != if_match)):
                raise PreconditionFailed(key)
            self.objects[key], self.written_s[key] = data, self.now_s
            self.look(self, key)
            return _etag(data)

        written: str = self._ask(put, key)
        return written

    def upload(self, path: Path, key: str, *, if_absent: bool = False, if_match: str | None = None) -> Digest:
        data = path.read_bytes()
        self.write(key, data, if_absent=if_absent, if_match=if_match)
        return digest_bytes(data)

    def age_s(self, key: str) -> float | None:
        age: float | None = self._ask(lambda: self.now_s - self.written_s[key])
        return age

    def delete(self, key: str) -> None:
        def remove() -> None:
            self.objects.pop(key, None)
            self.look(self, key)

        self._ask(remove)

    def document(self, key: str) -> dict[str, Any]:
        """What is there, without asking."""
        found: dict[str, Any] = json.loads(self.objects[key])
        return found

    def _info(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, len(self.objects[key]), _etag(self.objects[key]))


def _answer_of(request: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return request(), None
    except (PreconditionFailed, InputMissing) as error:
        return None, error


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
