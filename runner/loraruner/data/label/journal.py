"""What models said about pictures, kept line by line, so that a run that was killed asks about no picture twice.

The model's own words are kept, not the caption made of them: another template needs no model. A line is one JSON
object; the last may be torn by a kill and does not count.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loraruner.data.lines import BadValue, numbered_lines, parse_json


def read_journal(path: Path, key: str) -> dict[str, str]:
    """What the captioner ``key`` said, by the SHA-256 of the picture; nothing where there is no journal."""
    if not path.exists():
        return {}
    return dict(entry for line in numbered_lines(path) if not line.fault and (entry := _entry(line.text, key)))


def _entry(text: str, key: str) -> tuple[str, str] | None:
    try:
        value: Any = parse_json(text)
    except BadValue:
        return None
    if not isinstance(value, dict) or value.get("captioner") != key:
        return None
    sha256, said = value.get("sha256"), value.get("said")
    return (sha256, said) if isinstance(sha256, str) and isinstance(said, str) else None


@contextmanager
def appending(path: Path, key: str) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Yield what appends pictures (SHA-256) and what was said, durably: once it returns, a kill loses none of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "r+b", buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            stream.write(b"\n")  # after a torn line

        def append(said: Mapping[str, str]) -> None:
            records = ({"captioner": key, "sha256": sha256, "said": text} for sha256, text in said.items())
            data = memoryview("".join(f"{json.dumps(record)}\n" for record in records).encode())
            while data:
                data = data[stream.write(data) :]
            os.fsync(descriptor)

        yield append
