"""``status.json``: what a run is doing, written on every change of stage and as a heartbeat."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any

from loraruner.errors import ExitCode, Fenced, InputMissing, IntegrityError, LoraRunerError
from loraruner.events import Evaluated, Event, StageStarted, StepDone, Warned
from loraruner.redact import Redactor
from loraruner.stores.base import PreconditionFailed, Store
from loraruner.stores.documents import read_document

_LOG = logging.getLogger(__name__)
HEARTBEAT_S = 15.0
TRIES = 3
SHOWN_WARNINGS = 5  # the newest
STATE_OF = {
    ExitCode.OK: "published",
    ExitCode.PREEMPTED: "preempted",
    ExitCode.DIVERGED: "diverged",
    ExitCode.PAUSED: "paused",
}


class StatusBoard:
    """Collects events and writes them to the store from a thread of its own; use as a context manager.

    A write that fails is logged and never stops the run: the next heartbeat tries again. With ``replace_if_match``
    each write goes over the one before it alone, so that what an older attempt has still under way comes to nothing.
    ``also`` is told the same, after each write and in the same thread.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        identity: dict[str, Any],
        secrets: Sequence[str] = (),
        *,
        replace_if_match: bool = True,
        also: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._also = also
        self._store, self._key, self._redactor = store, key, Redactor(secrets)
        self._replace_if_match, self._etag = replace_if_match, ""
        self._fields: dict[str, Any] = {**identity, "state": "running", "stage": None, "step": 0, "total_steps": None}
        self._wake, self._closed = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=copy_context().run, args=(self._beat,), name="status", daemon=True)

    def __enter__(self) -> "StatusBoard":
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error:
            self._note(error)
        self._closed.set()
        self._wake.set()
        self._thread.join()
        self._write()

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Write at once what ends the run: before the board is closed, others may have to be told of it."""
        try:
            yield
        except BaseException as error:
            self._note(error)
            raise

    def _note(self, error: BaseException) -> None:
        if isinstance(error, LoraRunerError):
            self.end(error.code, reason=self._redactor.text(str(error)))
        else:
            self.end(ExitCode.INTERNAL, reason=type(error).__name__)

    def see(self, event: Event) -> None:
        """Take note of an event; cheap, called in every step."""
        if isinstance(event, StageStarted):
            self.set(stage=event.stage)
            self._wake.set()
        elif isinstance(event, StepDone):
            left_s = (event.total_steps - event.step) * event.step_s
            self.set(step=event.step, total_steps=event.total_steps, loss=event.loss, eta_s=round(left_s, 1))
        elif isinstance(event, Evaluated):
            self.set(evaluation_loss=event.loss, **({"measures": dict(event.measures)} if event.measures else {}))
        elif isinstance(event, Warned):
            warning = {"kind": event.kind, "step": event.step, "text": event.text}
            with self._lock:
                self._fields["warnings"] = [*self._fields.get("warnings", []), warning][-SHOWN_WARNINGS:]
            self._wake.set()

    def set(self, **fields: Any) -> None:
        """Change fields; they are written with the next heartbeat or at the end."""
        with self._lock:
            self._fields.update(fields)

    def end(self, code: ExitCode, **fields: Any) -> None:
        """Say how the run ended, at once: before the board is closed, services may be waited for.

        What ends it by an error is noted when the board is closed.
        """
        self.set(state=STATE_OF.get(code, "failed"), exit_code=int(code), exit_name=code.name, **fields)
        self._wake.set()

    def _beat(self) -> None:
        while not self._closed.is_set():
            self._write()
            self._wake.wait(HEARTBEAT_S)
            self._wake.clear()

    def _write(self) -> None:
        with self._lock:
            fields = {**self._fields, "updated": _now()}
        try:
            self._put(json.dumps(fields, indent=1).encode())
        except (LoraRunerError, OSError) as error:
            _LOG.warning("status.json was not written: %s", error)
            if isinstance(error, Fenced):  # the run is another attempt's to speak of
                return
        if self._also:
            self._also(fields)

    def _put(self, data: bytes) -> None:
        if not self._replace_if_match:
            self._store.write(self._key, data)
            return
        for _ in range(TRIES):
            try:
                self._etag = self._store.write(self._key, data, **self._condition())
                return
            except PreconditionFailed:  # an older attempt's last word, or our own, whose answer was lost
                self._etag = ""
        _LOG.warning("status.json was not written: somebody else is writing it")

    def _condition(self) -> dict[str, Any]:
        """The ETag of what is there now; looked up where this board has not written it."""
        if not self._etag:
            present = self._store.head(self._key)
            if present:
                self._require_not_newer()
            self._etag = present.etag if present else ""
        return {"if_match": self._etag} if self._etag else {"if_absent": True}

    def _require_not_newer(self) -> None:
        """Raise Fenced at the word of a later attempt: a machine that was suspended may not know of it yet."""
        with suppress(IntegrityError, InputMissing):
            told, own = read_document(self._store, self._key, {"attempt": int})[0], self._fields.get("attempt", 0)
            if told["attempt"] > own:
                raise Fenced(f"attempt {told['attempt']} owns this run now, not attempt {own}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def settle(store: Store, key: str, version: str) -> None:
    """Say "published" where an attempt was killed between the version's manifest and its last word."""
    present = store.head(key)
    if present is None:
        return
    fields, etag = read_document(store, key, {})
    if fields.get("state") == STATE_OF[ExitCode.OK]:
        return
    ended = {"exit_code": int(ExitCode.OK), "exit_name": ExitCode.OK.name, "version": version, "stage": "publish"}
    data = {**fields, **ended, "state": STATE_OF[ExitCode.OK], "updated": _now()}
    data.pop("reason", None)
    with suppress(PreconditionFailed):  # somebody else has the last word
        store.write(key, json.dumps(data, indent=1).encode(), if_match=etag)
