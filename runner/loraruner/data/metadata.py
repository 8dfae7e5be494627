"""Captions and transcripts from metadata.csv and metadata.jsonl."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loraruner.data.kinds import PICTURES, Kind
from loraruner.data.lines import BadValue, require_few_bad
from loraruner.data.metadata_rows import Entry, csv_entries, jsonl_entries
from loraruner.data.samples import Skipped
from loraruner.errors import DataInvalid, InputMissing

DEFAULT_NAMES = ("metadata.csv", "metadata.jsonl")
SUFFIXES = (".csv", ".jsonl")
MAX_METADATA_BYTES = 64 << 20
MAX_LISTED = 1_000_000  # files: each is kept in memory


@dataclass(frozen=True)
class Captions:
    """Texts by file (relative to the data folder, in NFC); ``source``: the metadata file's name, or "".

    ``extras`` holds the further columns of the files that have any, by the names in ``Kind.extra_keys``.
    """

    source: str
    by_file: Mapping[str, str]
    skipped: tuple[Skipped, ...]
    extras: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_captions(files: Mapping[str, Path], name: str | None, folder: Path, kind: Kind = PICTURES) -> Captions:
    """Read the metadata file ``name``, or else the first of DEFAULT_NAMES in ``files`` (by relative path).

    Names of files count from the metadata file's own folder. Raises InputMissing (66) when ``name`` is not
    there, DataInvalid (65) when the file as a whole cannot be read or points out of the folder; bad lines are
    skipped.
    """
    source = name if name is not None else next((known for known in DEFAULT_NAMES if known in files), None)
    if source is None:
        return Captions("", {}, ())
    if source not in files:
        there = ", ".join([file for file in files if file.lower().endswith(SUFFIXES)][:10])
        raise InputMissing(f"$.data.metadata: no file {source!r} in {folder} (there: {there or 'no .csv, no .jsonl'})")
    if not source.lower().endswith(SUFFIXES):
        raise DataInvalid(f"$.data.metadata: {source!r} must be a .csv or .jsonl file")
    if files[source].stat().st_size > MAX_METADATA_BYTES:
        raise DataInvalid(f"{source}: larger than {MAX_METADATA_BYTES:,} bytes; split the data set")
    if source.lower().endswith(".csv"):
        return _collected(source, csv_entries(files[source], source, kind), kind)
    return _collected(source, jsonl_entries(files[source], kind), kind)


def normal_name(name: str) -> str:
    """The form in which names from metadata and from the disk are compared: NFC (macOS stores NFD)."""
    return unicodedata.normalize("NFC", name)


def tidy_text(text: str, kind: Kind) -> str:
    """One line without outer or doubled white space; BadValue when it is too long."""
    if len(text) > kind.max_chars:
        raise BadValue(f"has a {kind.text} of {len(text):,} characters, more than {kind.max_chars:,}")
    return " ".join(text.split())


def _collected(source: str, entries: Iterator[Entry], kind: Kind) -> Captions:
    by_file: dict[str, str] = {}
    extras: dict[str, Mapping[str, str]] = {}
    skipped: list[Skipped] = []
    for entry in entries:
        place = f"{source}:{entry.line}"
        try:
            if entry.fault:
                raise BadValue(entry.fault)
            file = relative_name(entry.file, source, place)
            if file in by_file:
                raise BadValue(f"{entry.file[:200]!r} is listed twice; the first line is used")
            by_file[file] = tidy_text(entry.text, kind)
            if entry.extras:
                extras[file] = entry.extras
        except BadValue as fault:
            skipped.append(Skipped(place, str(fault)))
            require_few_bad(skipped, source, f"{skipped[0].name} {skipped[0].reason}")
        if len(by_file) > MAX_LISTED:
            raise DataInvalid(f"{source}: lists more than {MAX_LISTED:,} files; split the data set")
    return Captions(source, by_file, tuple(skipped), extras)


def relative_name(stored: str, source: str, place: str) -> str:
    """``stored``, which counts from the folder of the metadata file ``source``, as a path in the data folder.

    Raises DataInvalid (65) when it points out of the folder, BadValue when it names nothing.
    """
    name = stored.strip().replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or name[1:2] == ":" or ".." in parts:
        raise DataInvalid(f"{place}: {stored[:200]!r} points out of the data folder; use a relative path without '..'")
    if not parts:
        raise BadValue("names no file")
    return normal_name("/".join([*source.split("/")[:-1], *parts]))
