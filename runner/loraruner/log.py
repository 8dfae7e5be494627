"""Log records as JSON lines (files, pipes) or short lines (terminals); secrets are struck from every one.

Modules log through ``logging.getLogger(__name__)``; only the command line calls ``configure``.
"""

import copy
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.contextvars import bind_contextvars, merge_contextvars
from structlog.typing import EventDict, WrappedLogger

from loraruner.redact import Redactor, guard_records

# Read by the libraries when they are imported: their own levels, and progress bars that would run into ours.
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
# Warnings at most, at debug level too: botocore would log every header and body, credentials and data with them.
NOISY = (
    *(
        "botocore",
        "boto3",
        "s3transfer",
        "urllib3",
        "requests",
        "httpx",
        "httpcore",
        "http.client",
        "aiohttp",
        "asyncio",
    ),
    *("filelock", "fsspec", "huggingface_hub", "PIL", "diffusers", "transformers", "tensorboard", "absl"),
)


# A file takes records of a level until it has so many bytes: what matters most is written longest.
INFO_BYTES, WARNING_BYTES, ERROR_BYTES = 64 << 20, 72 << 20, 80 << 20
FULL = "the log has %d MiB: from here on only %s are written to it"
LAST_WORD = "last_word"  # ``extra`` of a record that the command line says again at its end: people read it once
NUM_REPEATS = 20  # of one warning; of more only the 32nd, 64th, 128th, ... are written, with their number


class _Repeats:
    """Thins out warnings that one line of code says again and again, such as once a step."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int, str], int] = {}

    def thinned(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """The record, with its number where others were left out before it; None where it is left out itself."""
        if record.levelno != logging.WARNING:
            return record
        place = (record.pathname, record.lineno, record.name)
        count = self._counts[place] = self._counts.get(place, 0) + 1
        if count <= NUM_REPEATS:
            return record
        if count & (count - 1):
            return None
        told = copy.copy(record)
        told.msg, told.args = f"{record.getMessage()} (warning number {count} of this kind; most are left out)", ()
        return told


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to whatever ``sys.stderr`` is at the moment: a progress display replaces it for a while."""

    def __init__(self, *, text: bool) -> None:
        super().__init__()
        self._text = text
        self._repeats = _Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        if self._text and getattr(record, LAST_WORD, False):
            return
        if told := self._repeats.thinned(record):
            self.stream = sys.stderr
            super().emit(told)


class FileLog(logging.Handler):
    """Appends whole lines to a file, up to a size; keeps the error of a disk that takes no more for ``raise_fault``."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.fault: OSError | None = None
        self._repeats = _Repeats()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._size_bytes = os.fstat(self._descriptor).st_size
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record unless its level has used up its share of the file, which is said once."""
        if not (told := self._repeats.thinned(record)):
            return
        if self._size_bytes >= ERROR_BYTES:
            return
        if told.levelno < logging.WARNING and self._size_bytes >= INFO_BYTES:
            self._tell_full("warnings and errors")
        elif told.levelno < logging.ERROR and self._size_bytes >= WARNING_BYTES:
            self._tell_full("errors")
        else:
            self._write(told)

    def _tell_full(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            text = FULL % (self._size_bytes >> 20, what)
            self._write(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (), None))

    def _write(self, record: logging.LogRecord) -> None:
        try:
            data = memoryview(f"{self.format(record)}\n".encode(errors="backslashreplace"))
            while data:
                written = os.write(self._descriptor, data)
                self._size_bytes += written
                data = data[written:]
        except OSError as error:
            if self.fault is None:
                error.filename = str(self.path)
                self.fault = error
        except Exception:  # a record that cannot be formatted, as every handler of logging does
            self.handleError(record)

    def close(self) -> None:
        """Nothing waits in a buffer, so that closing never fails."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()


def configure(*, text: bool, level: str, secrets: Sequence[str]) -> None:
    """Send records to stderr; ``text`` for people at a terminal, else JSON lines."""
    handler = _CurrentStderr(text=text)
    handler.setFormatter(_formatter(text, Redactor(secrets)))
    guard_records(lambda: secrets)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)


def add_file(path: Path, secrets: Sequence[str]) -> logging.Handler:
    """Also append JSON lines to ``path``, at most ``ERROR_BYTES``; returns the handler for ``remove``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = FileLog(path)
    handler.setFormatter(_formatter(False, Redactor(secrets)))
    logging.getLogger().addHandler(handler)
    return handler


def remove(handler: logging.Handler) -> None:
    """Undo ``add_file``."""
    logging.getLogger().removeHandler(handler)
    handler.close()


def raise_fault() -> None:
    """Raise the OSError that a log file met, naming it: a run whose log cannot be written must not go on silently."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, FileLog) and handler.fault:
            raise handler.fault


def bind(**context: Any) -> None:
    """Fields of every later record: run, attempt, stage, step."""
    bind_contextvars(**context)


def _formatter(text: bool, redact: Redactor) -> structlog.stdlib.ProcessorFormatter:
    shared: list[Any] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    exceptions = [structlog.processors.format_exc_info]
    last = _short_line if text else structlog.processors.JSONRenderer(sort_keys=True)

    def strike(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        struck: EventDict = redact.values(event, redact.text)
        return struck

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[*exceptions, structlog.stdlib.ProcessorFormatter.remove_processors_meta, strike, last],
    )


def _short_line(logger: WrappedLogger, name: str, event: EventDict) -> str:
    """``12:03:44 stage  message``, with the level in front when it is a warning or worse."""
    clock, level = str(event.get("timestamp", ""))[11:19], str(event.get("level", "info"))
    mark = "" if level in ("info", "debug") else f"{level.upper()}: "
    lines = [f"{clock} {event.get('stage', ''):<8} {mark}{event.get('event', '')}"]
    return "\n".join([*lines, str(event["exception"])] if "exception" in event else lines)
