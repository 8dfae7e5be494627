"""Log records as JSON lines (files, pipes) or short lines (terminals); secrets are struck from every one.

Modules log through ``logging.getLogger(__name__)``; only the command line calls ``configure``.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.contextvars import bind_contextvars, merge_contextvars
from structlog.typing import EventDict, WrappedLogger

from loraruner.redact import Redactor

# Read by the libraries when they are imported: their own levels, and progress bars that would run into ours.
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
NOISY = ("botocore", "boto3", "urllib3", "filelock", "httpx", "PIL", "diffusers", "transformers", "fsspec")


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to whatever ``sys.stderr`` is at the moment: a progress display replaces it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def configure(*, text: bool, level: str, secrets: Sequence[str]) -> None:
    """Send records to stderr; ``text`` for people at a terminal, else JSON lines."""
    handler = _CurrentStderr()
    handler.setFormatter(_formatter(text, Redactor(secrets)))
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
    """Also append JSON lines to ``path``; returns the handler for ``remove``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_formatter(False, Redactor(secrets)))
    logging.getLogger().addHandler(handler)
    return handler


def remove(handler: logging.Handler) -> None:
    """Undo ``add_file``."""
    logging.getLogger().removeHandler(handler)
    handler.close()


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
        return {key: redact.text(value) if isinstance(value, str) else value for key, value in event.items()}

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
