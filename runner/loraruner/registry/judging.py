"""Reviews and promotions: who said what of a version, and what became of it. Both only ever add an event."""

import logging
from collections.abc import Mapping
from typing import Any

from loraruner.errors import SpecInvalid, VersionConflict
from loraruner.registry import events
from loraruner.registry.address import Place, require_place, resolve
from loraruner.registry.events import PROMOTIONS, REVIEWS, is_score, said
from loraruner.registry.index import note_name
from loraruner.registry.life import APPROVED, MOVES, REJECTED, RELEASED, Life, refusal
from loraruner.registry.pull import warnings_of
from loraruner.settings import Settings
from loraruner.stores import open_store
from loraruner.stores.keys import join
from loraruner.workspace import VERSIONS_PREFIX

_LOG = logging.getLogger(__name__)


class _Nothing(Exception):
    """There is nothing to add: the version is where it should be already."""


def review(
    uri: str,
    settings: Settings,
    *,
    verdict: str | None = None,
    score: float | None = None,
    comment: str = "",
    by: str = "",
) -> dict[str, Any]:
    """Add a review of the version at ``uri``: a verdict, a score from 1 to 5, a comment, or several of them.

    Returns where the version stands now. Raises SpecInvalid (64) for a review that says nothing or what cannot be
    said, NoPermission (77) for somebody who may not review.
    """
    if verdict not in (APPROVED, REJECTED, None):
        raise SpecInvalid(f"verdict {verdict!r:.50}: is none; use {APPROVED} or {REJECTED}")
    if score is not None and not is_score(score):
        raise SpecInvalid(f"--score: {score!r:.50} is no number from 1 to 5")
    who = said(by, comment)
    if verdict is None and score is None and not who["comment"]:
        raise SpecInvalid("a review says something: give --approve, --reject, --score or --comment")
    place = require_place(resolve(uri, settings))
    event = {"version": place.version, "verdict": verdict, "score": score, **who}
    return _added(place, settings, REVIEWS, lambda life, lives: event)


def promote(uri: str, settings: Settings, to: str, *, by: str = "", comment: str = "") -> dict[str, Any]:
    """Move the version at ``uri`` to ``candidate``, ``released`` or ``archived``; returns where it stands now.

    A version that is there already stays as it is, and nothing is added. Raises VersionConflict (73) for a move that
    is not allowed, SpecInvalid (64) for another word, NoPermission (77) for somebody who may not promote.
    """
    if to not in MOVES:
        raise SpecInvalid(f"{to!r:.50}: is no place to promote to; use {', '.join(MOVES)}")
    who = said(by, comment)
    ref = resolve(uri, settings)
    place = require_place(ref)
    if to == RELEASED:
        for text in warnings_of(ref.manifest, None):
            _LOG.warning("%s", text)

    def decide(life: Life, lives: Mapping[str, Life]) -> dict[str, Any]:
        if life.status == to:
            raise _Nothing
        if reason := refusal(life, to):
            address = join(place.root, f"{VERSIONS_PREFIX}{place.version}")
            raise VersionConflict(f"{address}: can't become {to}: {reason}")
        moves = [move for each in lives.values() for move in each.promotions]
        sequence = max((move.sequence for move in moves), default=0) + 1
        return {"version": place.version, "to": to, "sequence": sequence, "after_review": life.last_review, **who}

    return _added(place, settings, PROMOTIONS, decide)


def _added(place: Place, settings: Settings, prefix: str, decide: events.Decide) -> dict[str, Any]:
    """Add an event, take it into the index, and say where the version stands."""
    root = open_store(place.root, settings)
    changed = True
    try:
        events.append(root, prefix, place.version, decide)
    except _Nothing:
        changed = False
    if changed and place.output:
        note_name(place.output, place.name, settings)
    life = events.list_lives(root).get(place.version, Life())
    return {
        "uri": join(place.root, f"{VERSIONS_PREFIX}{place.version}"),
        "name": place.name,
        "version": place.version,
        "status": life.status,
        "score": life.score,
        "reviews": len(life.reviews),
        "changed": changed,
    }
