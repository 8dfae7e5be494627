"""docs/quality.md tells every kind of finding with its default action, and every threshold with its default."""

import dataclasses
import re
from pathlib import Path

from loraruner.data.quality.findings import UNUSABLE
from loraruner.spec.build import CHECKS
from loraruner.spec.model import Checks, Quality

PAGE = (Path(__file__).parents[2] / "docs/quality.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_kind_stands_in_its_section() -> None:
    """The tables of pictures, captions and rows hold each check of their task once, with its default action."""
    told = {title: re.findall(r"^\| `(\w+)` \| `(\w+)` \|", section(title), re.MULTILINE) for title in
            ("Pictures", "Captions", "Rows")}  # fmt: skip
    pictures, rows = told["Pictures"] + told["Captions"], told["Rows"]
    expected = dataclasses.asdict(Checks())
    assert pictures == [(kind, expected[kind]) for kind in CHECKS["text-to-image"]]
    assert rows == [(kind, expected[kind]) for kind in CHECKS["text-generation"]]


def test_actions_and_what_is_always_skipped_are_told() -> None:
    """Every action has a line, and each kind that nothing can be chosen about."""
    lines = re.findall(r"^\| `(\w+)` \|", section("What follows from a finding"), re.MULTILINE)
    assert lines == ["off", "warn", "skip", "fail", *UNUSABLE]


def test_every_threshold_is_told_with_its_default() -> None:
    """Each number of ``data.quality`` stands beside its key; lists and what has no default by name."""
    for field in dataclasses.fields(Quality):
        value = getattr(Quality(), field.name)
        if isinstance(value, int | float):
            assert f"`{field.name}` ({value:g})" in PAGE, field.name
        elif field.name != "checks":
            assert f"`{field.name}`" in PAGE, field.name
