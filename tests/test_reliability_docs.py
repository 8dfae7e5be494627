"""docs/reliability.md is what was measured and what is promised, and no more."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "ci/reliability_docs.py"))


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "bench/reliability.json").read_text(encoding="utf-8"))
    return found


def test_page_is_current(script: dict[str, Any], measured: dict[str, Any]) -> None:
    """The page equals what ``make docs`` would write now."""
    assert (ROOT / "docs/reliability.md").read_text(encoding="utf-8") == script["render"](measured)


def test_what_was_not_measured_is_not_told(script: dict[str, Any]) -> None:
    """Without measurements every section says so, and no table of figures is on the page."""
    page = script["render"]({})
    sections = page.partition("## Measurements")[2].partition("## What is not promised")[0]
    assert sections.count("Not measured yet.") == sections.count("\n### ") == len(script["SECTIONS"])
    assert "|" not in sections


def test_counts_are_those_of_the_file(script: dict[str, Any]) -> None:
    """Kills are told by stage, with those lost; nothing is rounded in favour of the house."""
    kills = {"survived": 6, "lost": 1, "by_stage": {"start": 2, "train": 5}, "runs": 4, "attempts": 11}
    page = script["render"]({"kills": kills})
    assert "| before the first stage | 2 |" in page and "| train | 5 |" in page and "| **all** | 7 |" in page
    assert "6 survived, 1 lost; 4 runs, 11 attempts." in page


def test_every_command_is_there(script: dict[str, Any]) -> None:
    """Each command that makes a figure names a script or a target that exists."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for _, _, command, _ in script["SECTIONS"]:
        program, argument = command.split()[:2]
        assert (ROOT / argument).is_file() if program == "python" else argument in targets, command


def test_no_machine_is_named(measured: dict[str, Any]) -> None:
    """What is recorded holds no path, and of the machine only its kind."""
    assert set(measured["machine"]) == {"architecture", "cpus", "python"}
    assert not re.search(r"/(home|root|tmp|work|usr)/", json.dumps(measured))
