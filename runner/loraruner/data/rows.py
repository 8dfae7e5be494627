"""Text rows in files: JSON lines, a JSON list, or plain lines. The forms of a row stand in ``row_forms``."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loraruner.data.folders import list_files
from loraruner.data.kinds import CLIPS, PICTURES
from loraruner.data.lines import BadValue, numbered_lines, parse_json, require_few_bad
from loraruner.data.row_forms import ignored_keys, row_from
from loraruner.data.samples import Row, Scan, Skipped
from loraruner.errors import DataInvalid, InputMissing

SUFFIXES = (".jsonl", ".json", ".txt")
NOT_DATA = ("README", "LICENSE", "LICENCE", "NOTICE", "CHANGELOG")
MAX_JSON_BYTES = 128 << 20
MAX_ROWS = 5_000_000  # each is kept in memory
OTHER_TASKS = ((PICTURES, "pictures", "text-to-image"), (CLIPS, "clips", "automatic-speech-recognition"))

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Value:
    """What stands at one place: a JSON value or a plain line, or the fault why there is none."""

    place: str
    value: Any = None
    fault: str = ""


def scan_rows(path: Path) -> Scan[Row]:
    """Read the rows of one file, or of every .jsonl, .json and .txt below a folder, by file and line.

    The number in a row's id is the line, in a .json list the place in the list, both from 1. Bad rows are
    skipped with the reason. Raises InputMissing (66) when ``path`` does not exist, DataInvalid (65) for
    another kind of file, a folder of pictures or clips, more than MAX_ROWS rows or MAX_BAD bad ones.
    """
    files, skipped = _row_files(path)
    rows: list[Row] = []
    ignored: Counter[str] = Counter()
    for name, file in files.items():
        for found in _values(name, file):
            try:
                if found.fault:
                    raise BadValue(found.fault)
                rows.append(row_from(found.place, found.value))
                ignored.update(ignored_keys(found.value))
            except BadValue as fault:
                skipped.append(Skipped(found.place, str(fault)))
                require_few_bad(skipped, str(path), f"{skipped[0].name} {skipped[0].reason}")
            if len(rows) > MAX_ROWS:
                raise DataInvalid(f"{path}: more than {MAX_ROWS:,} rows; a LoRA needs far fewer: name a part of them")
    if ignored:
        shown = ", ".join(f"{key!r} ({count} rows)" for key, count in ignored.most_common(10))
        log.warning("%s: keys that belong to no row form were ignored: %s", path, shown)
    return Scan(tuple(rows), tuple(skipped))


def _row_files(path: Path) -> tuple[dict[str, Path], list[Skipped]]:
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise DataInvalid(f"{path}: rows are read from {', '.join(SUFFIXES)} files; rename or convert it")
        return {path.name: path}, []
    if not path.exists():
        raise InputMissing(f"{path}: not there; check $.data.uri")
    listing = list_files(path)
    for kind, noun, task in OTHER_TASKS:
        if others := [name for name in listing.files if name.lower().endswith(kind.suffixes)]:
            raise DataInvalid(
                f"{path}: this folder holds {len(others)} {noun} (first {others[0]}), not rows; "
                f"$.task {task} trains on them, or name the file with the rows in $.data.uri"
            )
    files = {name: file for name, file in listing.files.items() if _holds_rows(file)}
    return files, list(listing.skipped)


def _holds_rows(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.stem.upper() not in NOT_DATA


def _values(name: str, path: Path) -> Iterator[_Value]:
    suffix = path.suffix.lower()
    if suffix == ".json":
        yield from _list_values(name, path)
        return
    for line in numbered_lines(path):
        place = f"{name}:{line.number}"
        try:
            if line.fault:
                raise BadValue(line.fault)
            yield _Value(place, parse_json(line.text) if suffix == ".jsonl" else {"text": line.text})
        except BadValue as fault:
            yield _Value(place, fault=str(fault))


def _list_values(name: str, path: Path) -> Iterator[_Value]:
    """Rows of a .json file, which is read whole (alpaca's usual form), so its size has a bound."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise BadValue(f"is larger than {MAX_JSON_BYTES:,} bytes: write it as .jsonl, one row a line")
        values = parse_json(path.read_bytes().decode("utf-8-sig"))
        if not isinstance(values, list):
            raise BadValue("holds no JSON list of rows: write one row a line in a .jsonl file")
    except UnicodeDecodeError:
        yield _Value(name, fault="is not UTF-8")
    except BadValue as fault:
        yield _Value(name, fault=str(fault))
    else:
        yield from (_Value(f"{name}:{place}", value) for place, value in enumerate(values, start=1))
