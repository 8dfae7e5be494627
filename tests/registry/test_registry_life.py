"""The life cycle: which moves are allowed, and what the events add up to."""

import pytest

from loraruner.registry.life import Life, Promotion, Review, lives, refusal

WHEN = "2026-11-22T08:00:00+00:00"


def said(number: int, verdict: str | None = None, score: float | None = None, by: str = "ada") -> Review:
    return Review(number, by, WHEN, verdict=verdict, score=score)


def moved(number: int, to: str, sequence: int, after_review: int = 1) -> Promotion:
    return Promotion(number, "grace", WHEN, to, sequence, after_review)


ALLOWED = {
    ("candidate", "archived"),
    ("approved", "released"),
    ("approved", "archived"),
    ("rejected", "archived"),
    ("released", "archived"),
    ("archived", "candidate"),
}


@pytest.mark.parametrize("status", ["candidate", "approved", "rejected", "released", "archived"])
@pytest.mark.parametrize("to", ["candidate", "released", "archived"])
def test_moves(status: str, to: str) -> None:
    """Only an approved version is released, only an archived one goes back; to stay is no move."""
    refused = refusal(Life(status), to)
    assert (refused is None) is ((status, to) in ALLOWED or status == to)


def test_the_newest_verdict_counts() -> None:
    """By the number of the review, in whatever order they are read; a score or a comment is no verdict."""
    reviews = [said(3, score=2.0), said(2, "rejected"), said(1, "approved")]
    assert lives({"1": reviews}, {})["1"].status == "rejected"
    assert lives({"1": [*reviews, said(4, "approved")]}, {})["1"].status == "approved"


def test_everybody_has_one_score() -> None:
    """The mean is over people, of each the newest score."""
    reviews = [said(1, score=1.0), said(2, score=5.0), said(3, score=4.0, by="bob")]
    assert lives({"1": reviews}, {})["1"].score == 4.5


def test_one_release_a_name() -> None:
    """The newest release wins by its sequence; the one before is approved again and can be released again."""
    reviews = {"1": [said(1, "approved")], "2": [said(1, "approved")]}
    both = lives(reviews, {"1": [moved(1, "released", 1)], "2": [moved(1, "released", 2)]})
    assert {version: life.status for version, life in both.items()} == {"1": "approved", "2": "released"}
    back = lives(reviews, {"1": [moved(1, "released", 1), moved(2, "released", 3)], "2": [moved(1, "released", 2)]})
    assert {version: life.status for version, life in back.items()} == {"1": "released", "2": "approved"}


def test_archiving_the_release_releases_nothing_else() -> None:
    """Nobody gets an older version unless somebody says so."""
    moves = {"1": [moved(1, "released", 1)], "2": [moved(1, "released", 2), moved(2, "archived", 3)]}
    found = lives({"1": [said(1, "approved")], "2": [said(1, "approved")]}, moves)
    assert {version: life.status for version, life in found.items()} == {"1": "approved", "2": "archived"}


def test_back_to_candidate_begins_anew() -> None:
    """Approvals from before do not count any more; a new one does."""
    moves = {"1": [moved(1, "archived", 1), moved(2, "candidate", 2, after_review=1)]}
    assert lives({"1": [said(1, "approved")]}, moves)["1"].status == "candidate"
    assert lives({"1": [said(1, "approved"), said(2, "approved")]}, moves)["1"].status == "approved"


def test_a_rejection_after_the_release() -> None:
    """The reviewer does not take the release back; everybody is told."""
    moves = {"1": [moved(1, "released", 1)]}
    life = lives({"1": [said(1, "approved"), said(2, "rejected")]}, moves)["1"]
    assert (life.status, life.rejected_since) == ("released", True)
