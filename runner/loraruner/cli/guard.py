"""Nothing that Python itself prints holds a secret: fatal errors of any thread, warnings, records of any library."""

import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import TextIO

from loraruner import settings
from loraruner.redact import Redactor, guard_records


def install() -> None:
    """Take over the places where Python prints by itself; for a process of its own, before any command."""
    guard_records(settings.secrets)
    sys.excepthook = _fatal
    sys.unraisablehook = _unraisable
    threading.excepthook = _in_thread
    warnings.showwarning = _warn


def _print(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(Redactor(settings.secrets()).text(text))
        sys.stderr.flush()


def _fatal(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _print("".join(traceback.format_exception(kind, error, trace)))


def _in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else "unknown"
        _print(f"in thread {name}:\n{''.join(traceback.format_exception(args.exc_value))}")


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    _print(f"{args.err_msg or 'ignored'}: {args.object!r}\n{''.join(traceback.format_exception(args.exc_value))}")


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    text = Redactor(settings.secrets()).text(warnings.formatwarning(message, category, filename, lineno, line))
    (file or sys.stderr).write(text)
