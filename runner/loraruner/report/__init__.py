"""What people read about a version: ``report.html`` and the model card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loraruner.files import write_bytes
from loraruner.report.card import CARD_NAME, model_card
from loraruner.report.gallery import Gallery, collect
from loraruner.report.page import NOTHING, PAGE_NAME, report_page

__all__ = ["Gallery", "collect", "write_report"]


def write_report(
    folder: Path, document: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]], gallery: Gallery = NOTHING
) -> None:
    """Write ``report.html`` and ``README.md`` into the version folder, which holds the weights and ``samples/``.

    ``document``: the manifest without ``files``; ``metrics``: records of ``metrics.jsonl``; ``gallery``: what to show
    of the data. The same arguments give the same bytes. Raises EnvironmentUnfit (78) without matplotlib.
    """
    write_bytes(folder / PAGE_NAME, report_page(folder, document, metrics, gallery).encode())
    write_bytes(folder / CARD_NAME, model_card(document, folder).encode())
