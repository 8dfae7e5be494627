"""docs/job.md is what the schema says."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_page_is_current() -> None:
    """The page equals what ``make docs`` would write now."""
    render = runpy.run_path(str(ROOT / "ci/docs.py"))["render"]
    assert (ROOT / "docs/job.md").read_text(encoding="utf-8") == render()
