"""Filters and search: which rows are kept, in which order, and what is no filter."""

from typing import Any

import pytest

from loraruner.errors import SpecInvalid
from loraruner.registry.filters import Filters, apply
from loraruner.registry.search import search
from tests.support import registered

ROWS = [
    registered.row("neon-style", team="brand", labels={"team": "brand"}, created="2026-11-01T23:59:59+00:00"),
    registered.row("neon-text", "2", task="text-generation", evaluation_after=1.5, status="released", latest=True),
    registered.row("voice", None, created="2026-12-01T00:00:00+00:00", evaluation_after=None, team="games"),
]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["neon-style", "neon-text", "voice"]),
        ({"tasks": ["text-generation"]}, ["neon-text"]),
        ({"teams": ["brand", "games"]}, ["neon-style", "voice"]),
        ({"labels": ["team=brand"]}, ["neon-style"]),
        ({"labels": ["team="]}, []),
        ({"statuses": ["released"]}, ["neon-text"]),
        ({"since": "2026-11-01", "until": "2026-11-01"}, ["neon-style"]),
        ({"since": "2026-11-02"}, ["neon-text", "voice"]),
        ({"metrics": ["evaluation_after<1.2"]}, ["neon-style"]),
        ({"metrics": ["evaluation_after >= 1.5"]}, ["neon-text"]),
        ({"metrics": ["evaluation_after<1.2", "rank=8"]}, ["neon-style"]),
        ({"metrics": ["rank!=8"]}, []),
        ({"metrics": ["score>-1e3"]}, []),
        ({"names": ["neon-*"]}, ["neon-style", "neon-text"]),
        ({"names": ["n?on-text", "voice"]}, ["neon-text", "voice"]),
        ({"latest": True}, ["neon-text"]),
    ],
)
def test_filters(filters: dict[str, Any], expected: list[str]) -> None:
    """All filters hold for what is kept; what was not measured is neither above nor below anything."""
    assert [row["name"] for row in apply(ROWS, Filters(**filters))] == expected


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"metrics": ["speed<3"]}, "score"),
        ({"metrics": ["evaluation_after"]}, "evaluation_after<1.2"),
        ({"metrics": ["rank<1e"]}, "is no number"),
        ({"metrics": ["__class__<3"]}, "compares nothing"),
        ({"labels": ["team"]}, "KEY=VALUE"),
        ({"since": "yesterday"}, "2026-11-22"),
        ({"until": "2026-13-01"}, "is no day"),
    ],
)
def test_what_is_no_filter(filters: dict[str, Any], told: str) -> None:
    """64 with what could have been written, before anything is read."""
    with pytest.raises(SpecInvalid, match=told):
        apply((), Filters(**filters))


def test_search_ranks_names_first() -> None:
    """A whole word of the name is better than a part, a label than a prompt; every word must be somewhere."""
    rows = [
        registered.row("hero", prompts="a neon sign"),
        registered.row("neonlight"),
        registered.row("style", labels={"purpose": "Neon campaign"}),
        registered.row("neon-style"),
    ]
    assert [row["name"] for row in search(rows, ["NEON"])] == ["neon-style", "neonlight", "style", "hero"]
    assert [row["name"] for row in search(rows, ["neon campaign"])] == ["style"]
    assert search(rows, ["neon", "absent"]) == []


def test_search_is_in_one_order() -> None:
    """Of equals the name decides, then the newest; whatever order the rows came in."""
    rows = [
        registered.row("b", created="2026-01-01"),
        registered.row("a", created="2026-01-01"),
        registered.row("a", "2", created="2026-02-01"),
    ]
    order = [("a", "2"), ("a", "1"), ("b", "1")]
    for given in (rows, rows[::-1]):
        assert [(row["name"], row["version"]) for row in search(given, ["text-to-image"])] == order


@pytest.mark.parametrize("words", [[], [" "], ["x"] * 21, ["x" * 101]])
def test_what_is_no_search(words: list[str]) -> None:
    """64 without a word, with too many, or with an endless one."""
    with pytest.raises(SpecInvalid, match="1 to 20 words"):
        search(ROWS, words)
