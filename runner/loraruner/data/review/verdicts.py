"""``review.csv``: what people said of samples, one line each.

Columns ``id, digest, verdict, text, before, comment``. ``verdict`` is accept or reject. ``text`` and ``before`` are
filled for a corrected sample alone: what it says now, and what it said when it was shown; a rejected sample may keep
in ``before`` the text that it had. A row with several answers has them as a JSON list there.

The file is made to be opened in a spreadsheet, where a cell that begins like a formula would be run: such a cell gets
an apostrophe in front (OWASP, CSV injection), and the reader takes it off again, so that every text comes back as it
was. A cell that has such an apostrophe of its own gets another one.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass

from loraruner.data.lines import UTF8_BOM, BadValue
from loraruner.data.review.csv_line import csv_line
from loraruner.errors import DataInvalid

COLUMNS = ("id", "digest", "verdict", "text", "before", "comment")
ACCEPT, REJECT = "accept", "reject"
MAX_RECORD_BYTES = 64 << 20
MAX_ID_CHARACTERS = 4096
MAX_COMMENT_CHARACTERS = 2000
DIGEST = re.compile(r"(file-[0-9a-f]{32}-text|row)-[0-9a-f]{32}")
FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  # the wide forms begin formulas too where they are typed
GUARD = "'"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Verdict:
    """What was said of one sample: its id and ``content_digest`` when it was shown, ``accept`` or ``reject``."""

    id: str
    digest: str
    verdict: str
    text: str = ""
    before: str = ""
    comment: str = ""

    @property
    def corrected(self) -> bool:
        """Whether the sample was accepted with another text than it had."""
        return bool(self.text)


def render(verdicts: Iterable[Verdict]) -> bytes:
    """The file: UTF-8 with a mark, without which spreadsheets take it for another encoding."""
    lines = (csv_line(guarded(cell) for cell in astuple(verdict)) for verdict in verdicts)
    return UTF8_BOM + (csv_line(COLUMNS) + "".join(lines)).encode()


def parse(raw: bytes, name: str) -> tuple[Verdict, ...]:
    """The lines of a file called ``name`` in messages; DataInvalid (65) with the line and what to do."""
    if len(raw) > MAX_RECORD_BYTES:
        raise DataInvalid(f"{name}: larger than {MAX_RECORD_BYTES:,} bytes; review the data set in parts")
    rows = _rows(_decoded(raw, name), name)
    places = _header(next(rows, (1, [])), name)
    verdicts: dict[tuple[str, str], Verdict] = {}
    for line, row in rows:
        try:
            verdict = _verdict(row, places)
            if verdicts.setdefault((verdict.id, verdict.digest), verdict) is not verdict:
                raise BadValue(f"{verdict.id[:200]!r} is judged twice: keep one of the lines")
        except BadValue as fault:
            raise DataInvalid(f"{name}:{line}: {fault}") from fault
    return tuple(verdicts.values())


def guarded(cell: str) -> str:
    """A cell that no spreadsheet runs; ``unguarded`` gives back what went in."""
    return GUARD + cell if cell.startswith(FORMULA) or _has_guard(cell) else cell


def unguarded(cell: str) -> str:
    """What a guarded cell says."""
    return cell[1:] if _has_guard(cell) else cell


def _has_guard(cell: str) -> bool:
    return cell.startswith(GUARD) and cell[1:].startswith((*FORMULA, GUARD))


def _decoded(raw: bytes, name: str) -> str:
    if raw.startswith(UTF16_MARKS):
        raise DataInvalid(f"{name}: is UTF-16; save it as UTF-8 (in Excel: 'CSV UTF-8')")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataInvalid(f"{name}:{line}: not UTF-8; save it as UTF-8 (in Excel: 'CSV UTF-8')") from error


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataInvalid(f"{name}:{line}: not CSV ({error}); save the file from the sheet anew") from error


def _header(first: tuple[int, list[str]], name: str) -> dict[str, int]:
    """Where each column is; cells without a name, which spreadsheets add, are passed over."""
    line, row = first
    names = [cell.strip().lower() for cell in row]
    if separator := next((s for s in (";", "\t") if len(names) == 1 and f"id{s}digest" in names[0]), None):
        which = "semicolons" if separator == ";" else "tabs"
        raise DataInvalid(f"{name}:{line}: separated by {which}; save the file as CSV with commas")
    if sorted(filter(None, names)) != sorted(COLUMNS):
        found = ", ".join(names)[:200]
        raise DataInvalid(
            f"{name}:{line}: the header {found!r} must be {','.join(COLUMNS)}; give the review.csv that the sheet saves"
        )
    return {column: names.index(column) for column in COLUMNS}


def _verdict(row: list[str], places: dict[str, int]) -> Verdict:
    if len(row) <= max(places.values()):
        raise BadValue(f"has {len(row)} cells and needs {len(places)}: save the file from the sheet anew")
    verdict = Verdict(*(unguarded(row[places[column]]) for column in COLUMNS))
    if not verdict.id or len(verdict.id) > MAX_ID_CHARACTERS:
        raise BadValue(f"its id {verdict.id[:40]!r} names no sample: save the file from the sheet anew")
    if not DIGEST.fullmatch(verdict.digest):
        raise BadValue(f"its digest {verdict.digest[:80]!r} was not written by a sheet: save the file from it anew")
    if verdict.verdict not in (ACCEPT, REJECT):
        raise BadValue(f"its verdict {verdict.verdict[:40]!r} must be {ACCEPT} or {REJECT}")
    if len(verdict.comment) > MAX_COMMENT_CHARACTERS:
        raise BadValue(f"its comment has {len(verdict.comment):,} characters: at most {MAX_COMMENT_CHARACTERS:,}")
    _require_pair(verdict)
    return verdict


def _require_pair(verdict: Verdict) -> None:
    """A correction says what it replaces; one cell without the other was not written by a sheet."""
    if verdict.verdict == REJECT and verdict.text:
        raise BadValue("it is rejected and has a 'text' too: accept it with that text, or leave 'text' empty")
    if verdict.verdict == ACCEPT and bool(verdict.text) != bool(verdict.before):
        raise BadValue("fill both 'text' and 'before', or neither: correct texts in the sheet, not in the file")
