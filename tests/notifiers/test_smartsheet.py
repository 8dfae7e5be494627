"""A row a run: made once, filled at the end, found again; people's columns and scores are theirs."""

from typing import Any

import pytest

from loraruner.errors import DataInvalid, InputMissing
from loraruner.notifiers.base import Message
from loraruner.notifiers.smartsheet import USUAL, conflict, read_scores
from tests.support.loop_scripts import SmartsheetServer
from tests.support.sheets import COLUMNS, ROW, at, failed, finished, notifier, started


def test_a_run_from_start_to_end(sheets: SmartsheetServer) -> None:
    """One row is made at the start and holds everything at the end; the column for people stays empty."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    telling = notifier(sheets, sheet_id)
    telling.send(started())
    assert sheets.rows(sheet_id) == [{"Project": "Neon", "Model type": "SD LoRA", "Run": "tiny-0123"}]
    telling.send(finished())
    assert sheets.rows(sheet_id) == [ROW]


def test_a_failed_run(sheets: SmartsheetServer) -> None:
    """What is known of a failure is in the row too, and Success is not ticked."""
    sheet_id = sheets.add_sheet("Adapters", {**COLUMNS, "State": "TEXT_NUMBER", "Reason": "TEXT_NUMBER"})
    notifier(sheets, sheet_id).send(failed())
    (row,) = sheets.rows(sheet_id)
    assert (row["Success"], row["State"], row["Reason"]) == (False, "failed", "the loss is not finite")
    assert (row["Number of samples"], row["Training minutes"], row["Peak memory (GB)"]) == (210, 168.0, 19.3)
    notifier(sheets, sheet_id).send(finished())
    (row,) = sheets.rows(sheet_id)
    assert row["State"] == "published" and "Reason" not in row


def test_a_resumed_run_has_one_row(sheets: SmartsheetServer) -> None:
    """Another process finds the row by the run's id, between other rows, with what people wrote in it."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    sheets.add_row(sheet_id, {"Project": "Old", "Run": "old-1"})
    notifier(sheets, sheet_id).send(started())
    sheets.set_cell(sheet_id, 2, "Customer score", 4.8)
    sheets.set_cell(sheet_id, 2, "Notes", "nice")
    notifier(sheets, sheet_id).send(started())
    notifier(sheets, sheet_id).send(finished())
    assert sheets.rows(sheet_id)[1] == {**ROW, "Customer score": 4.8, "Notes": "nice"}
    assert len(sheets.rows(sheet_id)) == 2


def test_epochs_and_warnings_ask_nobody(sheets: SmartsheetServer) -> None:
    """A sheet has no place for them, and requests are limited."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    notifier(sheets, sheet_id).send(Message("epoch-1", "epoch", "x"))
    assert sheets.requests == []


def test_columns_are_made_where_allowed(sheets: SmartsheetServer) -> None:
    """Missing ones are added on the right with the type of their fact, once."""
    sheet_id = sheets.add_sheet("Adapters", {"Owner": "TEXT_NUMBER", "project ": "TEXT_NUMBER"})
    for _ in range(2):
        notifier(sheets, sheet_id, create_columns=True).send(finished())
    missing = [title for title in USUAL if title != "Project"]
    assert sheets.titles(sheet_id) == ["Owner", "project ", *missing]
    kinds = {column["title"]: column["type"] for column in sheets.sheets[sheet_id].columns}
    assert (kinds["Success"], kinds["Customer score"], kinds["Run"]) == ("CHECKBOX", "TEXT_NUMBER", "TEXT_NUMBER")
    (row,) = sheets.rows(sheet_id)
    assert row["project "] == "Neon" and "Customer score" not in row


def test_missing_columns_are_named(sheets: SmartsheetServer) -> None:
    """What the sheet has is filled, and the error names what it lacks; those for people alone are no fault."""
    sheet_id = sheets.add_sheet("Adapters", {"Run": "TEXT_NUMBER", "Project": "TEXT_NUMBER"})
    with pytest.raises(DataInvalid, match='has no column "Model type", "Number of samples"') as told:
        notifier(sheets, sheet_id).send(finished())
    assert "Customer score" not in str(told.value) and "create_columns" in str(told.value)
    assert sheets.rows(sheet_id) == [{"Run": "tiny-0123", "Project": "Neon"}]


def test_without_the_run_column_no_row_is_made(sheets: SmartsheetServer) -> None:
    """A row that could not be found again would come twice."""
    sheet_id = sheets.add_sheet("Adapters", {title: kind for title, kind in COLUMNS.items() if title != "Run"})
    with pytest.raises(DataInvalid, match='no column "Run"'):
        notifier(sheets, sheet_id).send(started())
    assert sheets.rows(sheet_id) == []


def test_a_renamed_column(sheets: SmartsheetServer) -> None:
    """A column that a person renames while the run goes on is missed by name; the rest of the row is filled."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    telling = notifier(sheets, sheet_id)
    telling.send(started())
    sheets.rename_column(sheet_id, "Peak memory (GB)", "Memory")
    with pytest.raises(DataInvalid, match=r'has no column "Peak memory \(GB\)"'):
        telling.send(finished())
    assert sheets.rows(sheet_id) == [{key: value for key, value in ROW.items() if key != "Peak memory (GB)"}]


def test_own_columns(sheets: SmartsheetServer) -> None:
    """A job may name its columns; titles are compared without case and spaces around them."""
    sheet_id = sheets.add_sheet("Adapters", {"RUN": "TEXT_NUMBER", "GB": "TEXT_NUMBER", "Until": "DATE"})
    notifier(sheets, sheet_id, columns={" gb ": "peak_memory_gb", "Until": "expires"}).send(finished())
    assert sheets.rows(sheet_id) == [{"RUN": "tiny-0123", "GB": 18.7, "Until": "2027-01-01"}]


@pytest.mark.parametrize(
    ("title", "properties", "words"),
    [
        ("Project", {"type": "CHECKBOX"}, "has the type CHECKBOX, which takes no text"),
        ("Peak memory (GB)", {"type": "DATE"}, "takes no number"),
        ("Success", {"type": "CONTACT_LIST"}, "takes no flag"),
        ("Project", {"locked": True}, "is locked"),
        ("Project", {"formula": "=1+1"}, "is filled by Smartsheet itself"),
        ("Model type", {"validation": True, "options": ["Other"]}, "takes only its own options"),
    ],
)
def test_a_column_of_another_type(sheets: SmartsheetServer, title: str, properties: dict[str, Any], words: str) -> None:
    """The conflict names column, type and fact; the other cells are filled all the same."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    sheets.change_column(sheet_id, title, **properties)
    with pytest.raises(DataInvalid, match=f'the column "{title.replace("(", "[(]").replace(")", "[)]")}".*{words}'):
        notifier(sheets, sheet_id).send(finished())
    assert sheets.rows(sheet_id) == [{key: value for key, value in ROW.items() if key != title}]


def test_a_column_locked_for_others() -> None:
    """A locked column takes values of somebody who may write there all the same."""
    column = {"title": "Project", "type": "TEXT_NUMBER", "locked": True}
    assert "is locked" in conflict(column, "project", "x")
    assert conflict({**column, "lockedForUser": False}, "project", "x") == ""


def test_a_deleted_row(sheets: SmartsheetServer) -> None:
    """A row that a person deleted is made again."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    telling = notifier(sheets, sheet_id)
    telling.send(started())
    sheets.sheets[sheet_id].rows.clear()
    telling.send(finished())
    assert sheets.rows(sheet_id) == [ROW]


def test_a_formula_is_text(sheets: SmartsheetServer) -> None:
    """What looks like a formula arrives as the value of a cell, never as a formula."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    message = Message("started", "started", "x", {"project": '=HYPERLINK("https://evil.example")'})
    notifier(sheets, sheet_id).send(message)
    assert sheets.rows(sheet_id)[0]["Project"] == '=HYPERLINK("https://evil.example")'


def test_scores_are_read_back(sheets: SmartsheetServer) -> None:
    """Numbers that people wrote, by run; words, ticks, empty cells and rows without a run are none."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    for run, score in (("a", 4.8), ("b", "4.5"), ("c", "good"), ("d", True), ("e", "nan"), ("", 3.0), (" f ", 5)):
        sheets.add_row(sheet_id, {"Run": run, "Customer score": score})
    sheets.add_row(sheet_id, {"Run": "g"})
    assert read_scores(sheet_id, at(sheets)) == {"a": 4.8, "b": 4.5, "f": 5.0}
    sheets.rename_column(sheet_id, "Customer score", "Stars")
    assert read_scores(sheet_id, at(sheets), score_title=" stars")["a"] == 4.8
    with pytest.raises(InputMissing, match='no column "Customer score"'):
        read_scores(sheet_id, at(sheets))
