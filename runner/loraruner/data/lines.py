"""Text files line by line in bounded memory, and JSON values from lines nobody vouches for."""

import json
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.pretrained.json_size import parsed_bytes

MAX_LINE_BYTES = 1 << 20
MAX_PARSED_BYTES = 2 << 30  # of one JSON text
MAX_BAD = 100_000  # lines or rows that are told: each is kept with its reason
UTF8_BOM = b"\xef\xbb\xbf"


class BadValue(Exception):
    """A line, a row or a field cannot be used; the text is the reason."""


@dataclass(frozen=True)
class Line:
    """One line that is not blank: its number (from 1) and stripped text, or the fault why there is none."""

    number: int
    text: str
    fault: str = ""


def numbered_lines(path: Path) -> Iterator[Line]:
    """Lines of a UTF-8 file (a BOM is dropped); longer ones than MAX_LINE_BYTES are never loaded."""
    with path.open("rb") as stream:
        number = 0
        while raw := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(raw) > MAX_LINE_BYTES:
                while raw and not raw.endswith(b"\n"):
                    raw = stream.readline(MAX_LINE_BYTES)
                yield Line(number, "", f"is longer than {MAX_LINE_BYTES:,} bytes")
                continue
            line = _decoded(number, raw.removeprefix(UTF8_BOM) if number == 1 else raw)
            if line.text or line.fault:
                yield line


def _decoded(number: int, raw: bytes) -> Line:
    try:
        return Line(number, raw.decode().strip())
    except UnicodeDecodeError as error:
        return Line(number, "", f"is not UTF-8 (byte {error.start + 1} of the line)")


def require_few_bad(bad: Sized, source: str, first: str) -> None:
    """Raise DataInvalid (65) when more than MAX_BAD lines of ``source`` are bad: then it is another kind of file."""
    if len(bad) > MAX_BAD:
        raise DataInvalid(
            f"{source}: more than {MAX_BAD:,} lines or rows can't be used (first: {first}); is it the right file?"
        )


def parse_json(text: str) -> Any:
    """The value of a JSON text; BadValue when it is none, too deep, or holds broken Unicode."""
    if len(text) > MAX_LINE_BYTES and parsed_bytes(text.encode(errors="replace")) > MAX_PARSED_BYTES:
        raise BadValue("is JSON of too many values to be held in memory")
    try:
        value = json.loads(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise BadValue(f"is not JSON ({error.msg} at character {error.pos + 1})") from error
    except UnicodeEncodeError as error:
        raise BadValue("holds half a surrogate pair (\\ud800 to \\udfff), which is no character") from error
    except (ValueError, RecursionError) as error:
        raise BadValue("is JSON with too long a number or lists too deep") from error
    return value
