"""What people read about a version: ``report.html`` and the model card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loraruner.files import write_bytes
from loraruner.report.card import CARD_NAME, model_card
from loraruner.report.page import PAGE_NAME, report_page

__all__ = ["write_report"]


def write_report(folder: Path, document: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> None:
    """Write ``report.html`` and ``README.md`` into the version folder, which holds the weights and ``samples/``.

    ``document``: the manifest without ``version`` and ``files``; ``metrics``: records of ``metrics.jsonl``.
    """
    write_bytes(folder / PAGE_NAME, report_page(folder, document, metrics).encode())
    write_bytes(folder / CARD_NAME, model_card(document, folder).encode())
