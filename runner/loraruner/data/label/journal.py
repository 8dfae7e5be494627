"""What models said about pictures, kept line by line, so that a run that was killed asks about no picture twice.

The model's own words are kept, not the caption made of them: another template needs no model. A line is one JSON
object with a digest of its own; one that a kill has torn or a disk has changed does not count, and is told.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loraruner.data.lines import BadValue, numbered_lines, parse_json
from loraruner.files import digest_bytes

_LOG = logging.getLogger(__name__)
FIELDS = ("captioner", "sha256", "said")


def read_journal(path: Path, key: str) -> dict[str, str]:
    """What the captioner ``key`` said, by the SHA-256 of the picture; nothing where there is no journal."""
    if not path.exists():
        return {}
    said: dict[str, str] = {}
    num_damaged = 0
    for line in numbered_lines(path):
        record = None if line.fault else _record(line.text)
        num_damaged += record is None
        if record and record["captioner"] == key:
            said[record["sha256"]] = record["said"]
    if num_damaged:
        _LOG.warning("%s in the cache: %d damaged lines don't count; what they held is made anew", path, num_damaged)
    return said


def _record(text: str) -> dict[str, str] | None:
    """The record of a line as it was written, or None."""
    try:
        value: Any = parse_json(text)
    except BadValue:
        return None
    if not isinstance(value, dict) or not all(isinstance(value.get(field), str) for field in FIELDS):
        return None
    return value if value == _sealed({field: value[field] for field in FIELDS}) else None


def _sealed(record: dict[str, str]) -> dict[str, str]:
    """``record`` with a digest of what it says."""
    return {**record, "seal": digest_bytes(json.dumps([record[field] for field in FIELDS]).encode()).sha256}


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
            records = (_sealed({"captioner": key, "sha256": sha256, "said": text}) for sha256, text in said.items())
            data = memoryview("".join(f"{json.dumps(record)}\n" for record in records).encode())
            while data:
                data = data[stream.write(data) :]
            os.fsync(descriptor)

        yield append
