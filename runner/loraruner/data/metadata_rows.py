"""The lines of metadata.csv (with or without a header) and metadata.jsonl, as files with texts."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loraruner.data.kinds import Kind
from loraruner.data.lines import BadValue, numbered_lines, parse_json
from loraruner.errors import DataInvalid

MAX_ROW_CHARS = 1 << 20  # of one CSV row: a file of commas is one row of millions of fields


@dataclass(frozen=True)
class Entry:
    """What one line says: a file, its text and further columns that are not empty, or the fault why nothing."""

    line: int
    file: str = ""
    text: str = ""
    fault: str = ""
    extras: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Columns:
    """Where a CSV row holds what."""

    file: int = 0
    text: int = 1
    num_fields: int = 2
    extras: Mapping[str, int] = field(default_factory=dict)


def csv_entries(path: Path, source: str, kind: Kind) -> Iterator[Entry]:
    """Entries of a CSV; DataInvalid (65) when it is not UTF-8, not CSV, or its header lacks a column."""
    columns, is_first = _Columns(), True
    for line, row in _csv_rows(_whole_text(path, source), source, kind):
        if is_first:
            is_first = False
            if header := _header_columns(row, source, kind):
                columns = header
                continue
        if len(row) == columns.num_fields:
            extras = {name: row[place].strip() for name, place in columns.extras.items() if row[place].strip()}
            yield Entry(line, row[columns.file], row[columns.text], extras=extras)
        else:
            too_many = len(row) > columns.num_fields
            hint = f"put {kind.text}s with commas in quotes" if too_many else "separate them by commas"
            yield Entry(line, fault=f"needs {columns.num_fields} fields and has {len(row)}: {hint}")


def _csv_rows(text: str, source: str, kind: Kind) -> Iterator[tuple[int, list[str]]]:
    """First line and fields of every row that is not blank."""
    lines = _BoundedLines(text, source)
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            lines.begin_row()
            if any(field.strip() for field in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        hint = f"put {kind.text}s in quotes and double the quotes within"
        raise DataInvalid(f"{source}:{line}: not CSV ({error}); {hint}") from error


class _BoundedLines:
    """The lines of a text; DataInvalid (65) before the one that makes a row longer than MAX_ROW_CHARS."""

    def __init__(self, text: str, source: str) -> None:
        self._stream = io.StringIO(text, newline="")
        self._source = source
        self._row_chars = self._number = 0

    def begin_row(self) -> None:
        """The next line begins a row."""
        self._row_chars = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(MAX_ROW_CHARS + 1):
            self._number += 1
            self._row_chars += len(line)
            if self._row_chars > MAX_ROW_CHARS:
                place = f"{self._source}:{self._number}"
                raise DataInvalid(f"{place}: a row of more than {MAX_ROW_CHARS:,} characters; is a quote missing?")
            yield line


def _header_columns(row: list[str], source: str, kind: Kind) -> _Columns | None:
    """The columns when ``row`` is a header: it has a known name and no sample's name."""
    names = [field.strip().lower() for field in row]
    if len(names) == 1 and set(re.split("[;\t]", names[0])) & {*kind.file_keys, *kind.text_keys} - set(names):
        raise DataInvalid(
            f"{source}:1: the header {names[0][:200]!r} is not separated by commas; save the file as CSV with commas"
        )
    if not set(names) & {*kind.file_keys, *kind.text_keys} or any(name.endswith(kind.suffixes) for name in names):
        return None
    file, text = _first(kind.file_keys, names), _first(kind.text_keys, names)
    if file is None or text is None:
        raise DataInvalid(
            f"{source}:1: the header {', '.join(names)[:200]!r} needs one column of {', '.join(kind.file_keys)} "
            f"and one of {', '.join(kind.text_keys)}"
        )
    extras = {name: found for name, keys in kind.extra_keys.items() if (found := _first(keys, names)) is not None}
    return _Columns(file, text, len(row), extras)


def _first(keys: tuple[str, ...], names: list[str]) -> int | None:
    return next((names.index(key) for key in keys if key in names), None)


def _whole_text(path: Path, source: str) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataInvalid(f"{source}:{line}: not UTF-8; save the file as UTF-8 (in Excel: 'CSV UTF-8')") from error


def jsonl_entries(path: Path, kind: Kind) -> Iterator[Entry]:
    """Entries of a file with one JSON object a line."""
    for line in numbered_lines(path):
        try:
            if line.fault:
                raise BadValue(line.fault)
            yield _object_entry(line.number, parse_json(line.text), kind)
        except BadValue as fault:
            yield Entry(line.number, fault=str(fault))


def _object_entry(line: int, value: Any, kind: Kind) -> Entry:
    if not isinstance(value, dict):
        raise BadValue("is no JSON object")
    file, text = _value(value, kind.file_keys), _value(value, kind.text_keys)
    if isinstance(file, dict):  # Hugging Face writes {"path": ..., "bytes": null}
        file = file.get("path")
    if not isinstance(file, str) or not isinstance(text, str):
        raise BadValue(f"needs two texts: one of {', '.join(kind.file_keys)} and one of {', '.join(kind.text_keys)}")
    extras = {name: _value(value, keys) for name, keys in kind.extra_keys.items()}
    for name, extra in extras.items():
        if not isinstance(extra, str | None):
            raise BadValue(f"{name} must be a text, not {str(extra)[:40]!r}")
    return Entry(line, file, text, extras={name: extra.strip() for name, extra in extras.items() if extra})


def _value(value: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((value[key] for key in keys if key in value), None)
