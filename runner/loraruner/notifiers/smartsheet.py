"""A row a run in a Smartsheet: made at the start, filled at the end, found again by the run's id.

Columns are found by their title; people may move and format them as they like. What people write, the customers'
score above all, is never touched. API: https://developers.smartsheet.com/api/smartsheet/openapi
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loraruner.errors import DataInvalid, InputMissing, TemporaryFailure
from loraruner.notifiers.base import FACTS, Message, RunFacts
from loraruner.notifiers.smartsheet_calls import Sheet
from loraruner.settings import Settings
from loraruner.spec.model import SmartsheetNotice

# Title -> fact, where a job names none. The last three are only filled where the sheet has them.
USUAL: Mapping[str, str] = {
    "Project": "project",
    "Model type": "model_type",
    "Number of samples": "num_samples",
    "Training minutes": "training_min",
    "Peak memory (GB)": "peak_memory_gb",
    "Success": "success",
    "Version address": "version_address",
    "Run": "run_id",
    "Customer score": "score",
    "State": "state",
    "Reason": "reason",
}
OPTIONAL = ("score", "state", "reason")
RUN, SCORE = "Run", "Customer score"
MOMENTS = ("started", "finished", "failed")  # a sheet has no place for epochs and warnings
MAX_CHARACTERS = 4000  # of a cell; the service cuts longer ones
PAUSES_S = (1.0, 4.0)
# Type of a fact -> types of columns that take it; the first one is made where a column is missing.
TAKEN_BY: Mapping[str, tuple[str, ...]] = {
    "text": ("TEXT_NUMBER", "PICKLIST"),
    "address": ("TEXT_NUMBER",),
    "number": ("TEXT_NUMBER",),
    "date": ("DATE", "TEXT_NUMBER"),
    "time": ("TEXT_NUMBER", "DATE"),
    "flag": ("CHECKBOX", "TEXT_NUMBER", "PICKLIST"),
}
Column = Mapping[str, Any]


def open_notifier(entry: SmartsheetNotice, run: RunFacts, settings: Settings) -> "SmartsheetNotifier":
    """The row of one run; see ``notifiers.open_notifier``."""
    columns = {title.strip(): fact for title, fact in (entry.columns or USUAL).items()}
    if "run_id" not in columns.values():
        columns[RUN] = "run_id"
    optional = OPTIONAL if entry.columns is None else ("score",)
    return SmartsheetNotifier(Sheet(entry.sheet_id, settings), run, columns, optional, create=entry.create_columns)


class SmartsheetNotifier:
    """Writes the row. ``columns``: title -> fact; a column of an ``optional`` fact may be missing."""

    moments = MOMENTS

    def __init__(
        self,
        sheet: Sheet,
        run: RunFacts,
        columns: Mapping[str, str],
        optional: tuple[str, ...],
        *,
        create: bool,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.key = f"smartsheet:{sheet.id}"
        self._sheet, self._run, self._wanted, self._optional = sheet, run, columns, optional
        self._create, self._sleep = create, sleep
        self._row: int | None = None

    def send(self, message: Message) -> None:
        """Make or update the row. What does not fit is left out, and then told as an error.

        Raises DataInvalid (65) for columns that are missing or take no such value, and what the service answers.
        """
        if message.moment not in MOMENTS:
            return
        for pause_s in (*PAUSES_S, None):
            try:
                return self._write(message)
            except TemporaryFailure:  # perhaps after the row was made: each try looks for it first
                self._row = None
                if pause_s is None:
                    raise
                self._sleep(pause_s)

    def _write(self, message: Message) -> None:
        columns, faults = self._columns()
        cells = []
        facts = {**message.facts, "run_id": self._run.run_id}
        if message.moment == "finished":
            facts.setdefault("reason", "")  # of an attempt before
        for title, fact in self._wanted.items():
            column, value = columns.get(_plain(title)), facts.get(fact)
            if column is None or value is None or fact == "score":
                continue
            if fault := conflict(column, fact, value):
                faults.append(fault)
            else:
                cells.append({"columnId": column["id"], "value": _cell(column, fact, value), "strict": True})
        self._put(columns[_plain(self._run_title)], cells)
        if faults:
            raise DataInvalid(f"Smartsheet: sheet {self._sheet.id}: {'; '.join(faults)}")

    @property
    def _run_title(self) -> str:
        return next(title for title, fact in self._wanted.items() if fact == "run_id")

    def _columns(self) -> tuple[dict[str, Column], list[str]]:
        """The sheet's columns by plain title, and what is wrong with them; missing ones are made where allowed.

        Raises DataInvalid where the row could not be found again.
        """
        present = _by_title(self._sheet.columns())
        if self._create and (missing := [title for title in self._wanted if _plain(title) not in present]):
            for offset, title in enumerate(missing):
                kind = TAKEN_BY[FACTS[self._wanted[title]][0]][0]
                self._sheet.add_column(title, kind, len(present) + offset)
            present = _by_title(self._sheet.columns())
        lacking = [
            title
            for title, fact in self._wanted.items()
            if _plain(title) not in present and (fact not in self._optional or title == self._run_title)
        ]
        told = (
            [f"it has no column {_quoted(lacking)}; add what is missing, or set notify.create_columns"]
            if lacking
            else []
        )
        run = present.get(_plain(self._run_title))
        if run is None or (wrong := conflict(run, "run_id", self._run.run_id)):
            raise DataInvalid(f"Smartsheet: sheet {self._sheet.id}: {'; '.join(told) or wrong}")
        return present, told

    def _put(self, run_column: Column, cells: list[dict[str, Any]]) -> None:
        """Update the run's row, or add it where there is none (any more)."""
        if self._row is None:
            self._row = self._find(run_column)
        if self._row is not None:
            try:
                return self._sheet.update_row(self._row, cells)
            except InputMissing:  # somebody deleted it
                self._row = None
        self._row = self._sheet.add_row(cells)

    def _find(self, run_column: Column) -> int | None:
        rows = self._sheet.rows((run_column["id"],))
        return next((row for row, values in rows if _text(values.get(run_column["id"])) == self._run.run_id), None)


def conflict(column: Column, fact: str, value: Any) -> str:
    """Why a column cannot take a fact's value; empty where it can."""
    kind, taken = column.get("type"), TAKEN_BY[FACTS[fact][0]]
    title = _quoted([str(column.get("title"))])
    if column.get("formula") or column.get("systemColumnType"):
        return f"the column {title} is filled by Smartsheet itself; give {fact} another column"
    if column.get("lockedForUser", column.get("locked")):  # an owner may write where others cannot
        return f"the column {title} is locked; unlock it, or give {fact} another column"
    if kind not in taken:
        return f"the column {title} has the type {kind}, which takes no {FACTS[fact][0]} ({fact}); use {taken[0]}"
    if kind == "PICKLIST" and column.get("validation") and _cell(column, fact, value) not in column.get("options", ()):
        return f"the column {title} takes only its own options; let it take other values, or give {fact} another one"
    return ""


def read_scores(
    sheet_id: int, settings: Settings, *, score_title: str = SCORE, run_title: str = RUN
) -> dict[str, float]:
    """What people wrote into the score column: run id -> score. Cells without a finite number count as empty.

    Raises InputMissing (66) where the sheet or a column is missing, NoPermission (77), EnvironmentUnfit (78),
    TemporaryFailure (75), DataInvalid (65).
    """
    sheet = Sheet(sheet_id, settings)
    present = _by_title(sheet.columns())
    missing = [title for title in (score_title, run_title) if _plain(title) not in present]
    if missing:
        raise InputMissing(f"Smartsheet: sheet {sheet_id} has no column {_quoted(missing)}; name the column it has")
    score, run = (present[_plain(title)]["id"] for title in (score_title, run_title))
    return dict(_scores(sheet.rows((score, run)), score, run))


def _scores(rows: Iterator[tuple[int, dict[int, Any]]], score: int, run: int) -> Iterator[tuple[str, float]]:
    for _, values in rows:
        try:
            number = math.nan if isinstance(values.get(score), bool) else float(values.get(score, math.nan))
        except (TypeError, ValueError):  # words
            continue
        if math.isfinite(number) and (run_id := _text(values.get(run))):
            yield run_id, number


def _by_title(columns: list[dict[str, Any]]) -> dict[str, Column]:
    """By plain title; of two that differ in case alone the left one."""
    return {_plain(str(column.get("title", ""))): column for column in reversed(columns)}


def _cell(column: Column, fact: str, value: Any) -> Any:
    """The value as the column's type wants it."""
    kind = column.get("type")
    if FACTS[fact][0] == "flag":
        return bool(value) if kind == "CHECKBOX" else "Yes" if value else "No"
    if kind == "DATE":
        return str(value)[: len("2027-01-01")]
    if FACTS[fact][0] == "number":
        return value
    return str(value)[:MAX_CHARACTERS]


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _quoted(titles: list[str]) -> str:
    return ", ".join(f'"{title[:60]}"' for title in titles)
