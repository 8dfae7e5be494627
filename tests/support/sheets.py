"""A Smartsheet with the usual columns behind the stand-in, and messages of one run to it."""

from pathlib import Path
from typing import Any

from loraruner.errors import ExitCode
from loraruner.notifiers import facts, messages
from loraruner.notifiers.base import Message
from loraruner.notifiers.smartsheet import SmartsheetNotifier, open_notifier
from loraruner.settings import Settings
from loraruner.spec.model import SmartsheetNotice
from tests.support.listeners import manifest, operator, run_facts
from tests.support.loop_scripts import SmartsheetServer

TOKEN = "planted-smartsheet-token"
ADDRESS, ENDED = "s3://loras/tiny/versions/3/", "2026-03-01T12:22:00+00:00"
COLUMNS = {
    "Project": "TEXT_NUMBER",
    "Model type": "PICKLIST",
    "Number of samples": "TEXT_NUMBER",
    "Training minutes": "TEXT_NUMBER",
    "Peak memory (GB)": "TEXT_NUMBER",
    "Success": "CHECKBOX",
    "Customer score": "TEXT_NUMBER",
    "Version address": "TEXT_NUMBER",
    "Run": "TEXT_NUMBER",
    "Notes": "TEXT_NUMBER",
}
ROW = {
    "Project": "Neon",
    "Model type": "SD LoRA",
    "Number of samples": 180,
    "Training minutes": 142.0,
    "Peak memory (GB)": 18.7,
    "Success": True,
    "Version address": f"3: {ADDRESS}",
    "Run": "tiny-0123",
}


def at(server: SmartsheetServer, token: str = TOKEN) -> Settings:
    return operator(SMARTSHEET_API_URL=server.url, SMARTSHEET_TOKEN=token)


def notifier(server: SmartsheetServer, sheet_id: int, *, token: str = TOKEN, **fields: Any) -> SmartsheetNotifier:
    """One attempt's notifier; its pauses take no time."""
    made = open_notifier(SmartsheetNotice(sheet_id=sheet_id, **fields), run_facts(), at(server, token))
    made._sleep = lambda pause_s: None
    return made


def started() -> Message:
    return messages.started(run_facts(), resumed=False)


def finished() -> Message:
    return messages.finished(run_facts(), manifest(), ADDRESS, ENDED, {})


def failed() -> Message:
    measured = {"num_samples": 210, "peak_memory_gb": 19.3, "training_min": 168.0}
    known = facts.of_failure(run_facts(), ExitCode.DIVERGED, "the loss is not finite", ENDED, measured)
    return messages.failed(run_facts(), ExitCode.DIVERGED, known, [], Path("none"))
