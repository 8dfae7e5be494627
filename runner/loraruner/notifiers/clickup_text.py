"""The words of comments on a task: bounded plain text, and a last line by which a comment is known again."""

from collections.abc import Sequence
from typing import Any

from loraruner.notifiers.base import Message
from loraruner.redact import CONTROL

MAX_COMMENT = 20_000  # characters
MAX_LOG_LINES, MAX_LINE = 40, 300
MAX_EARLIER = 30  # epochs
EARLIER = "Earlier:"


def marker(run_id: str, message_id: str) -> str:
    """The last line of a comment: which message of which run it is."""
    return f"[run {run_id}, {message_id}]"


def is_marked(text: str, mark: str) -> bool:
    """Whether a comment is the one that carries ``mark``: its last line, as those before may hold anything."""
    return text.rstrip().rpartition("\n")[2].strip() == mark


def comment(message: Message, notes: Sequence[str], mark: str) -> str:
    """What is posted: the message, what could not be done or attached, the end of the log, the mark."""
    parts = [message.text, *notes]
    if lines := log_tail(message.data):
        parts += ["", "The last lines of the log:", *lines]
    return signed("\n".join(parts), mark)


def progress(message: Message, before: str, mark: str) -> str:
    """The progress comment after one more epoch; ``before`` is its text until now."""
    lines = [line.strip() for line in before.splitlines() if line.strip() and line.strip() != mark]
    at = lines.index(EARLIER) if EARLIER in lines else len(lines)
    newest = _short(message.text.splitlines()[0])
    earlier = [line for line in map(_short, (*lines[:1], *lines[at + 1 :])) if line != newest][:MAX_EARLIER]
    return signed("\n".join([message.text, *(["", EARLIER, *earlier] if earlier else [])]), mark)


def _short(line: str) -> str:
    """An epoch's line without the run that it is about, which the first line of the comment says."""
    _, found, rest = line.rpartition(": epoch ")
    return f"epoch {rest}" if found else line


def log_tail(data: Any) -> list[str]:
    """The last lines of the log, as far as a message brings them."""
    lines = data.get("log") or ()
    return [str(line)[:MAX_LINE] for line in list(lines)[-MAX_LOG_LINES:]]


def signed(text: str, mark: str) -> str:
    """The text within the limit, without control characters, and its mark."""
    plain = "\n".join(CONTROL.sub(" ", line).rstrip() for line in text.splitlines())
    if len(plain) > MAX_COMMENT:
        plain = f"{plain[:MAX_COMMENT]}..."
    return f"{plain}\n{mark}"


def size(num_bytes: int) -> str:
    """A size for people."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"
