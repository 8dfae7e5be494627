"""The calls to Smartsheet against the vendor's own OpenAPI document; the stand-in's answers too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loraruner.clients.answers import Refused
from loraruner.errors import ExitCode, InputMissing, LoraRunerError, NoPermission
from loraruner.notifiers import facts, messages
from loraruner.notifiers.smartsheet import USUAL, open_notifier, read_scores
from loraruner.notifiers.smartsheet_calls import Sheet
from loraruner.settings import Settings
from loraruner.spec.model import SmartsheetNotice
from tests.support import prism
from tests.support.listeners import manifest, operator, run_facts
from tests.support.loop_scripts import SmartsheetServer
from tests.support.openapi import document
from tests.support.prism import Judged

pytestmark = pytest.mark.slow
ADDRESS, ENDED = "s3://loras/tiny/versions/3/", "2026-03-01T12:22:00+00:00"


@pytest.fixture(scope="module")
def server() -> Iterator[SmartsheetServer]:
    with SmartsheetServer() as running:
        yield running


@pytest.fixture(scope="module")
def judged(server: SmartsheetServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Prism between the SDK and the stand-in."""
    contract = prism.satisfiable(document("smartsheet-v2"), tmp_path_factory.mktemp("openapi"))
    with prism.proxy(contract, server.url) as running:
        yield running


def through(judged: Judged, server: SmartsheetServer, token: str = "") -> Settings:
    return operator(SMARTSHEET_API_URL=judged.url, SMARTSHEET_TOKEN=token or server.token)


def test_a_run_keeps_to_the_contract(judged: Judged, server: SmartsheetServer) -> None:
    """Columns made, row added, found and updated, a failure and a success, scores read: no violation at all."""
    sheet_id = server.add_sheet("Adapters", {"Owner": "CONTACT_LIST", "Until": "DATE"})
    columns = {**USUAL, "Until": "expires"}
    notice = SmartsheetNotice(sheet_id=sheet_id, create_columns=True, columns=columns)
    known = facts.of_failure(run_facts(), ExitCode.DIVERGED, "diverged", ENDED, {"num_samples": 210})
    told = [
        messages.started(run_facts(), resumed=False),
        messages.failed(run_facts(), ExitCode.DIVERGED, known, [], Path("none")),
        messages.finished(run_facts(), manifest(), ADDRESS, ENDED, {}),
    ]
    for message in told:
        open_notifier(notice, run_facts(), through(judged, server)).send(message)
    server.set_cell(sheet_id, 1, "Customer score", 4.8)
    assert read_scores(sheet_id, through(judged, server)) == {"tiny-0123": 4.8}
    (row,) = server.rows(sheet_id)
    assert row["Version address"] == f"3: {ADDRESS}" and row["Until"] == "2027-01-01"
    assert judged.violations() == []


@pytest.mark.parametrize(("token", "error"), [("wrong-token-0451", NoPermission), ("", InputMissing)])
def test_errors_keep_to_the_contract(
    judged: Judged, server: SmartsheetServer, token: str, error: type[LoraRunerError]
) -> None:
    """A wrong token and a sheet that is not there are answers that the document allows."""
    with pytest.raises(error):
        list(Sheet(17, through(judged, server, token)).rows((1,)))
    assert judged.violations() == []


def test_the_judge_judges(judged: Judged, server: SmartsheetServer) -> None:
    """The control: a call that the document does not allow is refused on its way."""
    sheet = Sheet(server.add_sheet("Adapters"), through(judged, server))
    with pytest.raises(Refused, match="422"):
        sheet._ask("post", "/columns", {"title": 7, "type": "NO_SUCH_TYPE"})
