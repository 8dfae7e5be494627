"""A transcript against what is said: the fewest wrong words, marked where they stand."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.report.differences import compare, words

WORDS = st.lists(st.sampled_from(("tide", "buoy", "the", "Rope.")), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("said", "written", "marked", "num_wrong"),
    [
        ("Open the seacock.", "open THE seacock", "open THE seacock", 0),
        ("Open the seacock.", "Open the sea cock.", "Open the <mark>sea</mark> <mark>cock.</mark>", 2),
        ("Open the seacock.", "Open seacock.", "Open <del>the</del> seacock.", 1),
        ("Open the seacock.", "Open the", "Open the <del>seacock.</del>", 1),
        ("Open the seacock.", "", " <del>Open</del> <del>the</del> <del>seacock.</del>", 3),
        ("Hull.", "The hull - thanks", "<mark>The</mark> hull - <mark>thanks</mark>", 2),
        ("half-hitch", "half hitch", "half hitch", 0),
        ("don\u2019t", "don't", "don&#x27;t", 0),
        ("Straße", "STRASSE", "STRASSE", 0),
        ("我修表", "我休表。", "我<mark>休</mark>表。", 1),
        ("", "Thank you.", "<mark>Thank</mark> <mark>you.</mark>", 2),
        ("a < b", "a & c", "a &amp; <mark>c</mark>", 1),
    ],
)
def test_marks(said: str, written: str, marked: str, num_wrong: int) -> None:
    """Wrong and added words are marked, missing ones struck in their place; case and punctuation don't count."""
    found = compare(said, written)
    assert (found.marked, found.num_wrong) == (marked, num_wrong)


@given(WORDS, WORDS)
def test_every_error_is_marked_once(said: str, written: str) -> None:
    """There are as many marks as errors, taking them away leaves what was written, and swapping counts the same."""
    found = compare(said, written)
    assert found.marked.count("<mark>") + found.marked.count("<del>") == found.num_wrong
    kept = re.sub(r" ?<del>[^<]*</del> ?", " ", found.marked)
    assert re.sub("</?mark>", "", kept).split() == written.split()
    assert compare(written, said).num_wrong == found.num_wrong
    assert abs(len(words(said)) - len(words(written))) <= found.num_wrong


def test_words_of_any_script() -> None:
    """A word is what spaces, hyphens and slashes divide; where a script has no spaces, each letter."""
    assert words("Ship's half-hitch, 21 km/h!") == ["ships", "half", "hitch", "21", "km", "h"]
    assert words("時計を修理") == ["時", "計", "を", "修", "理"]
    assert words("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]
    assert words("... — !") == []
