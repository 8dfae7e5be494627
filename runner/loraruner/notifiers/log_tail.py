"""The end of a log for people: ``train.log`` holds JSON lines, they read short ones."""

import json
from pathlib import Path

NUM_LINES = 40
MAX_BYTES = 64 << 10  # of the file's end that are read
MAX_CHARACTERS = 300  # of a line


def tail(path: Path, num_lines: int = NUM_LINES) -> list[str]:
    """The last lines, as ``12:03:44 stage    message``; empty where there is no log."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - MAX_BYTES))
            lines = stream.read(MAX_BYTES).decode(errors="replace").split("\n")
    except OSError:
        return []
    whole = lines[1:] if size > MAX_BYTES else lines  # the first one has no beginning
    return [short for line in whole if line.strip() for short in _short(line)][-num_lines:]


def _short(line: str) -> list[str]:
    """One record; a traceback keeps its lines."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        return [line[:MAX_CHARACTERS]]
    level = str(event.get("level", "info"))
    mark = "" if level in ("info", "debug") else f"{level.upper()}: "
    first = f"{str(event.get('timestamp', ''))[11:19]} {event.get('stage', '')!s:<8} {mark}{event.get('event', '')}"
    return [each[:MAX_CHARACTERS] for each in (first, *str(event.get("exception", "")).splitlines()) if each.strip()]
