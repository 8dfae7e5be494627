"""docs/import.md is what the tables say."""

import runpy
from pathlib import Path

from loraruner.importers import DIALECTS
from loraruner.importers.verdicts import MEANINGS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/import.md").read_text(encoding="utf-8")


def test_page_is_current() -> None:
    """The page equals what ``make docs`` would write now."""
    render = runpy.run_path(str(ROOT / "ci/import_docs.py"))["render"]
    assert render() == PAGE


def test_every_key_and_verdict_is_explained() -> None:
    """Each key of each dialect stands in the page, and each verdict with its meaning."""
    keys = {key for dialect in DIALECTS.values() for key in dialect.keys}
    assert {key for key in keys if f"`{key}`" not in PAGE} == set()
    assert [verdict for verdict, meaning in MEANINGS.items() if f"| {verdict} | {meaning} |" not in PAGE] == []
