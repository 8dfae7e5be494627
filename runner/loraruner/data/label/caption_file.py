"""The file that ``data label`` writes: metadata.csv or metadata.jsonl, read back before it takes the place of another.

A spreadsheet runs what begins with one of ``= + - @``. Such captions are written after a space, and such names as
``./name``; readers of metadata files drop both.
"""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loraruner.data.kinds import PICTURES
from loraruner.data.lines import BadValue, numbered_lines, parse_json
from loraruner.data.metadata import MAX_METADATA_BYTES, SUFFIXES, Captions, normal_name, read_captions
from loraruner.errors import DataInvalid
from loraruner.files import replacing

HEADER = ("file_name", "prompt")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", " ")


def read_earlier(path: Path) -> Captions:
    """What an output file of before holds. Names count from the top of the data set, wherever the file lies.

    Raises DataInvalid (65) for what would be lost when it is written anew: lines that cannot be read, and columns of
    other things; and what ``metadata.read_captions`` raises.
    """
    found = read_captions({path.name: path}, path.name, path.parent)
    if found.skipped:
        first = found.skipped[0]
        raise _loss(path, f"a line that cannot be read ({first.name}: {first.reason})", "mend that line")
    if extra := _other_column(path):
        raise _loss(path, f"the column {extra[:100]!r}", "take that column out")
    return found


def refuse_strangers(path: Path, earlier: Captions, pictures: Mapping[str, Path]) -> None:
    """Raise DataInvalid (65) when the file of before has captions of pictures that the data set does not have."""
    known = {normal_name(name) for name in pictures}
    if lost := [name for name in earlier.by_file if name not in known]:
        what = f"captions of {len(lost)} pictures that SOURCE does not have (first {lost[0][:200]!r})"
        raise _loss(path, what, "take those lines out")


def _loss(path: Path, what: str, fix: str) -> DataInvalid:
    return DataInvalid(
        f"{path}: this file is there already and holds {what}, which would be lost; {fix}, name another --output, or "
        "give --replace-existing"
    )


def _other_column(path: Path) -> str:
    """A column of neither file nor caption, or ""."""
    if path.suffix.lower() == ".csv":
        return _other_csv_column(path)
    for line in numbered_lines(path):
        try:
            value: Any = parse_json(line.text)
        except BadValue:
            continue
        if isinstance(value, dict) and len(value) > 2:
            keys = (*PICTURES.file_keys, *PICTURES.text_keys)
            return str(next((key for key in value if key not in keys), list(value)[2]))
    return ""


def _other_csv_column(path: Path) -> str:
    """Its name, or its place where it has values alone. Rows without a header have two fields, which was checked."""
    stream = io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")
    rows = [row for row in csv.reader(stream, skipinitialspace=True) if any(cell.strip() for cell in row)]
    header = [cell.strip() for cell in rows[0]] if rows else []
    names = [cell.lower() for cell in header]
    keys = (PICTURES.file_keys, PICTURES.text_keys)
    known = {next((names.index(key) for key in some if key in names), place) for place, some in enumerate(keys)}
    others = [place for place in range(len(names)) if place not in known]
    return next((header[p] or f"number {p + 1}" for p in others if any(row[p].strip() for row in rows)), "")


def write_captions(path: Path, captions: Mapping[str, str]) -> None:
    """Replace ``path`` by the captions of pictures (by relative path), as CSV or, by its suffix, JSON lines.

    Raises DataInvalid (65) when there are more than a metadata file may hold.
    """
    text = _csv(captions) if path.suffix.lower() == ".csv" else _json_lines(captions)
    data = text.encode()
    if len(data) > MAX_METADATA_BYTES:
        raise DataInvalid(
            f"{path}: {len(data):,} bytes of captions are more than the {MAX_METADATA_BYTES:,} that training reads; "
            "divide the data set"
        )
    with replacing(path) as temporary:
        temporary.write_bytes(data)
        _require_same(temporary, path, captions)


def _csv(captions: Mapping[str, str]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((_harmless_name(name), _harmless(text)) for name, text in captions.items())
    return stream.getvalue()


def _json_lines(captions: Mapping[str, str]) -> str:
    records = (dict(zip(HEADER, (_plain_name(name), text), strict=True)) for name, text in captions.items())
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)


def _harmless(text: str) -> str:
    return f" {text}" if text.startswith(FORMULA) else text


def _harmless_name(name: str) -> str:
    return f"./{name}" if name.startswith(FORMULA) else name


def _plain_name(name: str) -> str:
    """Names in metadata lose their outer white space."""
    return f"./{name}" if name[:1].isspace() else name


def _require_same(written: Path, path: Path, captions: Mapping[str, str]) -> None:
    """Whoever trains reads this file: what they will find is what was meant, or the file is not put in place."""
    key = f"captions{path.suffix.lower()}"
    found = read_captions({key: written}, key, written.parent)
    meant = {normal_name(name): text for name, text in captions.items()}
    if found.by_file != meant or found.skipped:
        wrong = next((name for name in meant if found.by_file.get(name) != meant[name]), "")
        raise DataInvalid(f"{path}: {wrong[:200]!r} cannot be written so that it is read back; rename that picture")


def suffix_fault(path: Path) -> str:
    """Why nothing can be written to a file of this name, or ""."""
    return "" if path.suffix.lower() in SUFFIXES else f"must end in {' or '.join(SUFFIXES)}"
