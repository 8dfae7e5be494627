"""Corrected captions and transcripts written into the metadata file, rejected files taken out of it.

Lines that nothing is said of stay byte for byte, with whatever columns they have.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loraruner.data.captions import text_of
from loraruner.data.folders import list_files
from loraruner.data.kinds import Kind
from loraruner.data.lines import UTF8_BOM, BadValue
from loraruner.data.metadata import Captions, normal_name, read_captions, relative_name
from loraruner.data.metadata_rows import Entry, csv_entries
from loraruner.data.review.csv_line import csv_line
from loraruner.errors import DataInvalid

DEFAULT_NAME = "metadata.csv"
TEXT_COLUMN = "text"  # of a new file: every tool knows it
COLUMNS_OF_EXTRAS = {"language": "language", "whisper_task": "task"}


@dataclass(frozen=True)
class Edits:
    """What changes: new texts and files to take out, by the names in the listing."""

    corrected: Mapping[str, str]
    removed: frozenset[str]


def edited_metadata(folder: Path, metadata: str | None, kind: Kind, edits: Edits) -> dict[str, bytes]:
    """The file that names all captions or transcripts afterwards, by its name; nothing where nothing changes.

    That is the CSV which is in use (``metadata``, None: the usual one), else a new metadata.csv at the top, which goes
    before metadata.jsonl and before the texts beside the files. Raises DataInvalid (65) when the CSV lies in a folder
    from which it can't name a file or when a metadata.csv is there that is not in use, and what
    ``metadata.read_captions`` raises.
    """
    files = list_files(folder).files
    captions = read_captions(files, metadata, folder, kind)
    removed, _ = _normal(edits)
    if not edits.corrected and not removed & captions.by_file.keys():
        return {}
    listed = _texts(files, captions, kind)
    if not captions.source.lower().endswith(".csv"):
        return {DEFAULT_NAME: _unless_another(_new_file(listed, captions, edits), files, captions.source)}
    return {captions.source: _edited(files[captions.source], captions.source, kind, edits, listed)}


def _unless_another(content: bytes, files: Mapping[str, Path], source: str) -> bytes:
    """``content``, unless there is a metadata.csv that says something else, which would be lost."""
    if DEFAULT_NAME in files and files[DEFAULT_NAME].read_bytes() != content:
        raise DataInvalid(
            f"{DEFAULT_NAME}: is there already, and {source} was reviewed; review {DEFAULT_NAME}, or move it away"
        )
    return content


def _texts(files: Mapping[str, Path], captions: Captions, kind: Kind) -> dict[str, str]:
    """Text by file, of all files that have one and of all that the metadata names, there or not."""
    texts = {name: text for name, text in captions.by_file.items() if text}
    for name in files:
        if name.lower().endswith(kind.suffixes) and normal_name(name) not in texts:
            try:
                texts[name] = text_of(name, captions, files, kind)
            except BadValue:
                continue
    return texts


def _new_file(listed: Mapping[str, str], captions: Captions, edits: Edits) -> bytes:
    """Every file with its text, and with language and task where any has them."""
    extras = [name for name in COLUMNS_OF_EXTRAS if any(name in each for each in captions.extras.values())]
    lines = [["file_name", TEXT_COLUMN, *(COLUMNS_OF_EXTRAS[name] for name in extras)]]
    removed, corrected = _normal(edits)
    for name, text in sorted(listed.items()):
        key = normal_name(name)
        if key not in removed:
            own = captions.extras.get(key, {})
            lines.append([name, corrected.get(key, text), *(own.get(extra, "") for extra in extras)])
    return "".join(map(csv_line, lines)).encode()


def _edited(path: Path, source: str, kind: Kind, edits: Edits, listed: Mapping[str, str]) -> bytes:
    raw = path.read_bytes()
    mark = UTF8_BOM if raw.startswith(UTF8_BOM) else b""
    lines = list(io.StringIO(raw.removeprefix(mark).decode(), newline=""))
    entries = list(csv_entries(path, source, kind))
    table = _table(source, lines, entries, kind)
    removed, corrected = _normal(edits)
    parts, seen = [table.head], set[str]()
    for entry, span in zip(entries, _spans(lines, entries), strict=True):
        name = _name(entry, source)
        if name in removed:
            continue
        parts.append(table.with_text(span, corrected[name]) if name in corrected and name not in seen else span)
        seen |= {name} if name else set()
    more = {normal_name(name): (name, text) for name, text in listed.items()}
    added = [
        table.row(name, corrected.get(key, text), key in corrected)
        for key, (name, text) in sorted(more.items())
        if key not in seen | removed
    ]
    return mark + _joined(parts, "".join(filter(None, added)), table.end).encode()


def _joined(parts: Sequence[str], added: str, end: str) -> str:
    body = "".join(parts)
    return body + (end if added and body and not body.endswith(("\n", "\r")) else "") + added


def _normal(edits: Edits) -> tuple[set[str], dict[str, str]]:
    """Removed and corrected, by names as the metadata compares them."""
    return {normal_name(name) for name in edits.removed}, {normal_name(n): text for n, text in edits.corrected.items()}


def _spans(lines: Sequence[str], entries: Sequence[Entry]) -> Iterator[str]:
    """The characters of each entry, with the blank lines after it."""
    ends = [*(entry.line - 1 for entry in entries[1:]), len(lines)]
    return ("".join(lines[entry.line - 1 : end]) for entry, end in zip(entries, ends, strict=True))


def _name(entry: Entry, source: str) -> str | None:
    """The file that a line names, None where the line can't be used."""
    try:
        return None if entry.fault else relative_name(entry.file, source, f"{source}:{entry.line}")
    except BadValue:
        return None


@dataclass(frozen=True)
class _Table:
    """How a CSV is laid out: where a row has the file's name and its text, what ends a line."""

    source: str
    head: str
    end: str
    file: int = 0
    text: int = 1
    width: int = 2

    def with_text(self, span: str, text: str) -> str:
        row = next(_read(span))
        return csv_line([*row[: self.text], text, *row[self.text + 1 :]], self.end)

    def row(self, name: str, text: str, needed: bool) -> str:
        """A line for a file that had its text beside it; names count from the metadata file's own folder."""
        prefix = "".join(f"{part}/" for part in self.source.split("/")[:-1])
        if not name.startswith(prefix):
            if needed:
                raise DataInvalid(
                    f"{self.source}: can't name {name}, which is not below its folder; move it to the top"
                )
            return ""
        cells = [""] * self.width
        cells[self.file], cells[self.text] = name.removeprefix(prefix), text
        return csv_line(cells, self.end)


def _table(source: str, lines: Sequence[str], entries: Sequence[Entry], kind: Kind) -> _Table:
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    head = "".join(lines[: entries[0].line - 1 if entries else len(lines)])
    header = next(_read(head), None)
    if header is None:
        return _Table(source, head, end)
    names = [cell.strip().lower() for cell in header]
    file, text = (next(names.index(key) for key in keys if key in names) for keys in (kind.file_keys, kind.text_keys))
    return _Table(source, head, end, file, text, len(names))


def _read(text: str) -> Iterator[list[str]]:
    """Rows that are not blank, as ``metadata_rows`` reads them."""
    rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    return (row for row in rows if any(cell.strip() for cell in row))
