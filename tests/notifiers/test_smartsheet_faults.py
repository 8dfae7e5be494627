"""Bad days of Smartsheet: limits, faults, lost answers, wrong tokens; and large sheets."""

import threading
from typing import Any

import pytest

from loraruner.clients.answers import Refused
from loraruner.errors import DataInvalid, EnvironmentUnfit, InputMissing, LoraRunerError, NoPermission, TemporaryFailure
from loraruner.notifiers import smartsheet_session
from loraruner.notifiers.smartsheet import open_notifier
from loraruner.notifiers.smartsheet_calls import PAGE_ROWS, Sheet
from loraruner.spec.model import SmartsheetNotice
from tests.support.listeners import operator, run_facts
from tests.support.loop_scripts import SmartsheetServer
from tests.support.sheets import COLUMNS, ROW, TOKEN, finished, notifier, started


def test_a_sheet_of_many_pages(sheets: SmartsheetServer) -> None:
    """The row is found behind a thousand others, page by page, and only the run's column is read."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    for number in range(2 * PAGE_ROWS):
        sheets.add_row(sheet_id, {"Run": f"run-{number}"})
    notifier(sheets, sheet_id).send(started())
    notifier(sheets, sheet_id).send(finished())
    rows = sheets.rows(sheet_id)
    assert len(rows) == 2 * PAGE_ROWS + 1 and rows[-1] == ROW


@pytest.mark.parametrize(
    ("result", "row_id"), [([{"id": 7}], 7), ({"id": 7}, 7), ([], None), (None, None), ("x", None)]
)
def test_answers_of_one_row(monkeypatch: pytest.MonkeyPatch, result: Any, row_id: int | None) -> None:
    """One row may be told as a row or as a list of rows; the vendor's document and service differ."""
    sheet = Sheet(1, operator(SMARTSHEET_TOKEN=TOKEN))
    monkeypatch.setattr(sheet, "_ask", lambda *call: {"result": result})
    assert sheet.add_row([]) == row_id


@pytest.mark.parametrize("answer", [{}, {"rows": 7}, {"rows": [7]}, {"rows": [{"id": "x"}]}])
def test_rows_that_are_none(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """An answer of another server is told as such, and breaks nothing."""
    sheet = Sheet(1, operator(SMARTSHEET_TOKEN=TOKEN))
    monkeypatch.setattr(sheet, "_ask", lambda *call: answer)
    with pytest.raises(DataInvalid, match="did not tell its rows; check SMARTSHEET_API_URL"):
        list(sheet.rows((1,)))


@pytest.mark.parametrize(("status", "code"), [(429, 4003), (503, 4001), (500, 4004), (500, 4002), (502, 0), (429, 0)])
def test_a_bad_day(sheets: SmartsheetServer, status: int, code: int) -> None:
    """Limits and faults that pass are waited out, whoever knows them, and the row is made once."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    sheets.fail(status, code, times=2, where="POST .*/rows")
    notifier(sheets, sheet_id).send(started())
    assert len(sheets.rows(sheet_id)) == 1


def test_a_lost_answer(sheets: SmartsheetServer) -> None:
    """A row whose answer was lost is found before another one would be made."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    sheets.lose_answers(where="POST .*/rows")
    notifier(sheets, sheet_id).send(started())
    assert len(sheets.rows(sheet_id)) == 1
    assert sheets.requests.count(f"POST /sheets/{sheet_id}/rows") == 1


@pytest.mark.parametrize(("status", "code"), [(429, 4003), (500, 4000)])
def test_a_bad_week(sheets: SmartsheetServer, monkeypatch: pytest.MonkeyPatch, status: int, code: int) -> None:
    """What does not pass ends in an error that says to try later, after a bounded number of requests."""
    monkeypatch.setattr(smartsheet_session, "WAIT_LIMIT_S", 20.0)
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    sheets.fail(status, code, times=1000)
    with pytest.raises(TemporaryFailure, match="unavailable"):
        notifier(sheets, sheet_id).send(started())
    assert 3 <= len(sheets.requests) <= 30


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"token": "wrong-token-0451"}, NoPermission, "Access Token is invalid"),
        ({"sheet": 17}, InputMissing, "is not there"),
    ],
)
def test_a_wrong_token_and_a_wrong_sheet(
    sheets: SmartsheetServer, fault: dict[str, Any], error: type[LoraRunerError], words: str
) -> None:
    """Both are told in the service's words, and the token is in none of them."""
    sheet_id = fault.get("sheet") or sheets.add_sheet("Adapters", COLUMNS)
    token = fault.get("token", TOKEN)
    with pytest.raises(error, match=words) as told:
        notifier(sheets, sheet_id, token=token).send(started())
    assert token not in str(told.value)


def test_a_request_that_is_refused(sheets: SmartsheetServer) -> None:
    """Another error of the service is told with its code and words."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    sheets.fail(400, 1042, where="POST")
    with pytest.raises(Refused, match="400 1042 Fault"):
        notifier(sheets, sheet_id).send(started())


def test_an_error_in_a_good_answer(sheets: SmartsheetServer) -> None:
    """A 200 that carries an error code is no success."""
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    sheets.fail(200, 1004, where="GET")
    with pytest.raises(Refused, match="1004"):
        notifier(sheets, sheet_id).send(started())


def test_a_server_that_hangs(sheets: SmartsheetServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out ends the call; the SDK itself knows none."""
    monkeypatch.setattr(smartsheet_session, "READ_S", 0.1)
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    sheets.hold = threading.Event()
    with pytest.raises(TemporaryFailure, match="no answer that can be read"):
        notifier(sheets, sheet_id).send(started())


def test_nothing_is_logged_of_what_is_sent(
    sheets: SmartsheetServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The SDK would log requests and whole sheets, errors at error level: neither is seen anywhere."""
    caplog.set_level("DEBUG")
    sheet_id = sheets.add_sheet("Adapters", COLUMNS)
    sheets.fail(400, 1042, where="PUT")
    telling = notifier(sheets, sheet_id)
    telling.send(started())
    with pytest.raises(Refused):
        telling.send(finished())
    logged = caplog.text + "".join(capfd.readouterr())
    assert TOKEN not in logged and "Neon" not in logged and "statusCode" not in logged


def test_what_is_known_before_anybody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, no SDK and a host that is not listed are told when the notifier is opened."""
    notice = SmartsheetNotice(sheet_id=1)
    with pytest.raises(EnvironmentUnfit, match="SMARTSHEET_TOKEN is not set"):
        open_notifier(notice, run_facts(), operator())
    with pytest.raises(NoPermission, match=r"api\.smartsheet\.com"):
        open_notifier(
            notice, run_facts(), operator(SMARTSHEET_TOKEN=TOKEN, LORARUNER_ALLOWED_HOSTS="hooks.example.com")
        )
    monkeypatch.setattr("loraruner.notifiers.smartsheet_calls.find_spec", lambda name: None)
    with pytest.raises(EnvironmentUnfit, match=r"loraruner\[smartsheet\]"):
        open_notifier(notice, run_facts(), operator(SMARTSHEET_TOKEN=TOKEN))
