"""Captions from metadata.csv (with or without a header) and metadata.jsonl."""

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loraruner.data.lines import BadValue, numbered_lines, parse_json
from loraruner.data.samples import Skipped
from loraruner.errors import DataInvalid, InputMissing

DEFAULT_NAMES = ("metadata.csv", "metadata.jsonl")
FILE_KEYS = ("file_name", "filename", "file", "image")
CAPTION_KEYS = ("prompt", "caption", "text")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MAX_METADATA_BYTES = 64 << 20
MAX_CAPTION_CHARS = 10_000


@dataclass(frozen=True)
class Entry:
    """What one line says: a file and its caption, or the fault why it says nothing."""

    line: int
    file: str = ""
    caption: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Captions:
    """Captions by file (relative to the data folder, in NFC); ``source``: the metadata file's name, or ""."""

    source: str
    by_file: Mapping[str, str]
    skipped: tuple[Skipped, ...]


def read_captions(files: Mapping[str, Path], name: str | None, folder: Path) -> Captions:
    """Read the metadata file ``name``, or else the first of DEFAULT_NAMES in ``files`` (by relative path).

    Names of pictures count from the metadata file's own folder. Raises InputMissing (66) when ``name`` is not
    there, DataInvalid (65) when the file as a whole cannot be read or points out of the folder; bad lines are
    skipped.
    """
    source = name if name is not None else next((known for known in DEFAULT_NAMES if known in files), None)
    if source is None:
        return Captions("", {}, ())
    if source not in files:
        there = ", ".join([file for file in files if file.lower().endswith((".csv", ".jsonl"))][:10])
        raise InputMissing(f"$.data.metadata: no file {source!r} in {folder} (there: {there or 'no .csv, no .jsonl'})")
    if not source.lower().endswith((".csv", ".jsonl")):
        raise DataInvalid(f"$.data.metadata: {source!r} must be a .csv or .jsonl file")
    if files[source].stat().st_size > MAX_METADATA_BYTES:
        raise DataInvalid(f"{source}: larger than {MAX_METADATA_BYTES:,} bytes; split the data set")
    read = _csv_entries if source.lower().endswith(".csv") else _jsonl_entries
    return _collected(source, read(files[source], source))


def normal_name(name: str) -> str:
    """The form in which names from metadata and from the disk are compared: NFC (macOS stores NFD)."""
    return unicodedata.normalize("NFC", name)


def tidy_caption(text: str) -> str:
    """One line without outer or doubled white space; BadValue when it is too long."""
    if len(text) > MAX_CAPTION_CHARS:
        raise BadValue(f"has a caption of {len(text):,} characters, more than {MAX_CAPTION_CHARS:,}")
    return " ".join(text.split())


def _collected(source: str, entries: Iterator[Entry]) -> Captions:
    by_file: dict[str, str] = {}
    skipped: list[Skipped] = []
    for entry in entries:
        place = f"{source}:{entry.line}"
        try:
            if entry.fault:
                raise BadValue(entry.fault)
            file = _picture_name(entry.file, source, place)
            if file in by_file:
                raise BadValue(f"{entry.file[:200]!r} is listed twice; the first line is used")
            by_file[file] = tidy_caption(entry.caption)
        except BadValue as fault:
            skipped.append(Skipped(place, str(fault)))
    return Captions(source, by_file, tuple(skipped))


def _picture_name(stored: str, source: str, place: str) -> str:
    """``stored`` as a path relative to the data folder."""
    name = stored.strip().replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or name[1:2] == ":" or ".." in parts:
        raise DataInvalid(f"{place}: {stored[:200]!r} points out of the data folder; use a relative path without '..'")
    if not parts:
        raise BadValue("names no file")
    return normal_name("/".join([*source.split("/")[:-1], *parts]))


def _csv_entries(path: Path, source: str) -> Iterator[Entry]:
    rows = _csv_rows(_whole_text(path, source), source)
    columns, num_fields, is_first = (0, 1), 2, True
    for line, row in rows:
        if is_first:
            is_first = False
            if header := _header_columns(row, source):
                columns, num_fields = header, len(row)
                continue
        if len(row) == num_fields:
            yield Entry(line, row[columns[0]], row[columns[1]])
        else:
            hint = "put captions with commas in quotes" if len(row) > num_fields else "separate them by commas"
            yield Entry(line, fault=f"needs {num_fields} fields and has {len(row)}: {hint}")


def _csv_rows(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """First line and fields of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "put captions in quotes and double the quotes within"
        raise DataInvalid(f"{source}:{line}: not CSV ({error}); {hint}") from error


def _header_columns(row: list[str], source: str) -> tuple[int, int] | None:
    """Columns of file and caption when ``row`` is a header: it has a known name and no picture's name."""
    names = [field.strip().lower() for field in row]
    if not set(names) & {*FILE_KEYS, *CAPTION_KEYS} or any(name.endswith(PICTURE_SUFFIXES) for name in names):
        return None
    file = next((key for key in FILE_KEYS if key in names), None)
    caption = next((key for key in CAPTION_KEYS if key in names), None)
    if file is None or caption is None:
        raise DataInvalid(
            f"{source}:1: the header {', '.join(names)[:200]!r} needs one column of {', '.join(FILE_KEYS)} "
            f"and one of {', '.join(CAPTION_KEYS)}"
        )
    return names.index(file), names.index(caption)


def _whole_text(path: Path, source: str) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataInvalid(f"{source}:{line}: not UTF-8; save the file as UTF-8 (in Excel: 'CSV UTF-8')") from error


def _jsonl_entries(path: Path, source: str) -> Iterator[Entry]:
    for line in numbered_lines(path):
        try:
            if line.fault:
                raise BadValue(line.fault)
            file, caption = _file_and_caption(parse_json(line.text))
            yield Entry(line.number, file, caption)
        except BadValue as fault:
            yield Entry(line.number, fault=str(fault))


def _file_and_caption(value: Any) -> tuple[str, str]:
    if not isinstance(value, dict):
        raise BadValue("is no JSON object")
    file = next((value[key] for key in FILE_KEYS if key in value), None)
    caption = next((value[key] for key in CAPTION_KEYS if key in value), None)
    if not isinstance(file, str) or not isinstance(caption, str):
        raise BadValue(f"needs two texts: one of {', '.join(FILE_KEYS)} and one of {', '.join(CAPTION_KEYS)}")
    return file, caption
