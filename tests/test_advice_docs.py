"""docs/advice.md is what the rules say."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from loraruner.advice.rules import RULES
from loraruner.advice.sources import SOURCES

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "ci/advice_docs.py"))


def test_page_is_current(script: dict[str, Any]) -> None:
    """The page equals what ``make docs`` would write now."""
    assert (ROOT / "docs/advice.md").read_text(encoding="utf-8") == script["render"]()


def test_every_rule_and_source_is_shown(script: dict[str, Any]) -> None:
    """Each rule has its line with its reason, each source its own, and no source is without a rule."""
    page = script["render"]()
    assert [rule for rule in RULES if f"| {rule.says} | {rule.reason} |" not in page] == []
    assert [source for source in SOURCES.values() if source.says not in page] == []
