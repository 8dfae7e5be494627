"""One who carries messages to one notifier, in a thread of its own: training never waits for a service."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextvars import copy_context
from typing import Any, Protocol

from loraruner.errors import TemporaryFailure
from loraruner.notifiers.base import Message, Notifier
from loraruner.redact import Redactor

_LOG = logging.getLogger(__name__)
MAX_WAITING = 100  # messages; then the oldest epochs make room
MAX_CHARACTERS = 300  # of an error
SIGNAL_LIMIT_S = 10.0  # what a run that got a signal waits for services
BYTES_A_SECOND = 2_000_000  # of files: an upload is waited for as long as it takes at this pace
LONGEST_S = 900.0  # of all that, whatever there is to send
SLICE_S = 0.1


class Told(Protocol):
    """What was told already, by the notifier's key and the message's id."""

    def has(self, key: str, message_id: str) -> bool:
        """Whether it was; asks nobody."""
        ...

    def note(self, key: str, message_id: str) -> None:
        """Remember it; raises nothing."""
        ...


class Courier:
    """Takes messages at once and tells them one after the other; what fails is logged once per kind, and counted.

    ``weigh``: the bytes of the files that telling a message takes.
    """

    def __init__(
        self,
        kind: str,
        notifier: Notifier,
        told: Told,
        redactor: Redactor,
        moments: Collection[str] | None = None,
        weigh: Callable[[Message], int] = lambda message: 0,
    ) -> None:
        self.kind, self.key = kind, notifier.key
        self._notifier, self._told, self._redactor, self._moments = notifier, told, redactor, moments
        self._weigh = weigh
        self._waiting: deque[Message] = deque()
        self._sending: Message | None = None
        self._changed = threading.Condition()
        self._closing = self._abandoned = self._away = False
        self._sent = self._failed = 0
        self._last_error: str | None = None
        self._kinds: set[str] = set()  # of errors that were logged
        self._thread = threading.Thread(target=copy_context().run, args=(self._work,), name=self.key, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Take a message unless it was told; returns at once."""
        if not self.lacks(message.moment, message.id):
            return
        with self._changed:
            if any(each.id == message.id for each in self._under_way()):  # after a roll-back
                return
            if len(self._waiting) >= MAX_WAITING:
                self._make_room()
            self._waiting.append(message)
            self._changed.notify_all()

    def lacks(self, moment: str, message_id: str) -> bool:
        """Whether a message of this moment is for this notifier, and was not told yet."""
        return (self._moments is None or moment in self._moments) and not self._told.has(self.key, message_id)

    def num_bytes(self) -> int:
        """Bytes of files that are still to be sent; 0 for a service that is away, as it will hardly take them."""
        with self._changed:
            return 0 if self._away else sum(self._weigh(each) for each in self._under_way())

    def close(self) -> None:
        """Take no more work than there is; ``join`` waits for it."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Whether everything has been tried, after so many seconds at most."""
        if self._thread.ident is None:  # the machine had no thread for it
            self.abandon()
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Leave what is not told by now untold, and count it; the thread may end when it likes."""
        with self._changed:
            self._abandoned = True
            untold = len(self._under_way())
            self._changed.notify_all()
        if untold:
            what = "1 message was" if untold == 1 else f"{untold} messages were"
            before = f"; before that: {self._last_error}" if self._last_error else ""
            self._fail("late", f"{what} still waiting when the run ended{before}", untold)

    def counts(self) -> dict[str, Any]:
        """``kind``, ``key``, what was ``sent`` and ``failed`` in this attempt, ``last_error``."""
        told = {"kind": self.kind, "key": self.key, "sent": self._sent, "failed": self._failed}
        return {**told, "last_error": self._last_error}

    def _work(self) -> None:
        while message := self._next():
            try:
                self._notifier.send(message)
            except Exception as error:  # whatever it is: a notifier never ends a run
                self._away = isinstance(error, TemporaryFailure | OSError)
                if not self._abandoned:
                    self._fail(type(error).__name__, f"{message.id}: {error}")
            else:
                self._away = False
                if not self._abandoned:
                    self._sent += 1
                    self._told.note(self.key, message.id)
            with self._changed:
                self._sending = None

    def _next(self) -> Message | None:
        """The next message; None when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing or self._abandoned)
            if self._abandoned or not self._waiting:
                return None
            self._sending = self._waiting.popleft()
            return self._sending

    def _under_way(self) -> list[Message]:
        """What is being told, and what waits for it."""
        return [*([self._sending] if self._sending else []), *self._waiting]

    def _make_room(self) -> None:
        """Drop the oldest epoch, else the oldest warning, else the oldest message."""
        for moment in ("epoch", "warning"):
            if found := next((each for each in self._waiting if each.moment == moment), None):
                break
        else:
            found = self._waiting[0]
        self._waiting.remove(found)
        self._fail("full", f"{found.id}: dropped, as {MAX_WAITING} messages are waiting")

    def _fail(self, kind: str, text: str, number: int = 1) -> None:
        with self._changed:  # the training's thread counts what it drops, the courier's own what fails
            self._failed += number
            self._last_error = self._redactor.text(text)[:MAX_CHARACTERS]
            is_new = kind not in self._kinds
            self._kinds.add(kind)
        if is_new:
            _LOG.warning("%s was not told, the run goes on: %s", self.key, self._last_error)


def wait(couriers: Sequence[Courier], limit_s: float, hurry: Callable[[], bool] = lambda: False) -> None:
    """Let the couriers finish, as long as ``patience_s`` says at most.

    It is ``SIGNAL_LIMIT_S`` once ``hurry`` says so, and nothing with a limit of 0.
    """
    deadline = time.monotonic() + patience_s(couriers, limit_s)
    for courier in couriers:
        courier.close()
    for courier in couriers:
        while not courier.join(min(SLICE_S, max(0.0, deadline - time.monotonic()))):
            if hurry():
                deadline, hurry = min(deadline, time.monotonic() + SIGNAL_LIMIT_S), lambda: False
            if time.monotonic() >= deadline:
                courier.abandon()
                break


def patience_s(couriers: Sequence[Courier], limit_s: float) -> float:
    """How long couriers are waited for: ``limit_s``, and more for the files that they still have to send."""
    if limit_s <= 0:
        return 0.0
    return max(limit_s, min(LONGEST_S, limit_s + sum(each.num_bytes() for each in couriers) / BYTES_A_SECOND))
