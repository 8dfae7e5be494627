"""The life of a version: candidate, approved or rejected, released, archived. What its events add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

CANDIDATE, APPROVED, REJECTED, RELEASED, ARCHIVED = "candidate", "approved", "rejected", "released", "archived"
MOVES = (CANDIDATE, RELEASED, ARCHIVED)


@dataclass(frozen=True)
class Review:
    """What somebody thinks of a version; ``number`` orders the reviews of one version."""

    number: int
    by: str
    when: str
    comment: str = ""
    verdict: str | None = None  # "approved" | "rejected"
    score: float | None = None  # 1 to 5


@dataclass(frozen=True)
class Promotion:
    """A move of a version to ``to``. ``sequence`` orders the moves of all versions of a NAME.

    ``after_review``: the number of the newest review that was there; a move back to candidate voids those before.
    """

    number: int
    by: str
    when: str
    to: str
    sequence: int
    after_review: int
    comment: str = ""


@dataclass(frozen=True)
class Life:
    """Where a version stands. ``score`` is the mean of everybody's newest score."""

    status: str = CANDIDATE
    score: float | None = None
    reviews: tuple[Review, ...] = ()
    promotions: tuple[Promotion, ...] = ()

    @property
    def last_review(self) -> int:
        """The number of the newest review, 0 where there is none."""
        return max((each.number for each in self.reviews), default=0)

    @property
    def rejected_since(self) -> bool:
        """Whether the last word on a released version is a rejection."""
        return self.status == RELEASED and _verdict(self.reviews, 0) == REJECTED


def lives(reviews: Mapping[str, Sequence[Review]], promotions: Mapping[str, Sequence[Promotion]]) -> dict[str, Life]:
    """The life of every version of one NAME that has an event.

    Released is the version with the newest move to ``released``, as long as that is its own last move; the one that
    was released before is again what its reviews make it.
    """
    moves = [(move, version) for version, found in promotions.items() for move in found if move.to == RELEASED]
    newest = max(moves, key=lambda pair: (pair[0].sequence, pair[0].when, pair[1]), default=None)
    released = newest[1] if newest else None
    return {
        version: _life(reviews.get(version, ()), promotions.get(version, ()), is_newest=version == released)
        for version in {*reviews, *promotions}
    }


def _life(reviews: Sequence[Review], promotions: Sequence[Promotion], *, is_newest: bool) -> Life:
    moves = sorted(promotions, key=lambda move: move.number)
    said = sorted(reviews, key=lambda review: review.number)
    last = moves[-1].to if moves else CANDIDATE
    voided = max((move.after_review for move in moves if move.to == CANDIDATE), default=0)
    stays = last == ARCHIVED or (last == RELEASED and is_newest)
    status = last if stays else _verdict(said, voided) or CANDIDATE
    scores = {review.by: review.score for review in said if review.score is not None}
    return Life(status, round(fmean(scores.values()), 3) if scores else None, tuple(said), tuple(moves))


def _verdict(reviews: Sequence[Review], voided: int) -> str | None:
    given = [each.verdict for each in reviews if each.verdict and each.number > voided]
    return given[-1] if given else None


def refusal(life: Life, to: str) -> str | None:
    """Why a version may not move to ``to``, and what to do; None where it may."""
    if life.status == to:
        return None
    if to == ARCHIVED or (to, life.status) in ((CANDIDATE, ARCHIVED), (RELEASED, APPROVED)):
        return None
    if to == CANDIDATE:
        return f"is {life.status}, and only an archived version goes back to candidate; archive it first"
    return {
        CANDIDATE: "nobody has approved it; approve it first (registry review --approve)",
        REJECTED: "its last review rejects it; have it approved first (registry review --approve)",
        ARCHIVED: "is archived; bring it back to candidate and have it approved first",
    }[life.status]
