"""Scores from elsewhere, such as a sheet that people fill in, as reviews of the versions that they belong to."""

import logging
from collections.abc import Mapping
from typing import Any

from loraruner.registry.catalogue import list_versions
from loraruner.registry.events import is_score, list_lives
from loraruner.registry.judging import review
from loraruner.registry.life import Life
from loraruner.registry.rows import Row
from loraruner.settings import Settings
from loraruner.stores import open_store
from loraruner.stores.keys import join
from loraruner.workspace import VERSIONS_PREFIX

_LOG = logging.getLogger(__name__)
SHOWN = 10


def sync_scores(uri: str, settings: Settings, scores: Mapping[str, float], *, by: str) -> dict[str, Any]:
    """Add ``scores`` (by run id, 1 to 5) to the versions below ``uri``, as reviews by ``by``.

    A score that ``by`` gave last time already is not added again. Says how many were added, were there, have no
    version here, and are no score.
    """
    wrong = {run for run, score in scores.items() if not is_score(score)}
    rows = {row["run_id"]: row for row in list_versions(uri, settings)}
    unknown = sorted(set(scores) - wrong - rows.keys())
    added = [
        {"uri": row["uri"], "run_id": run, "score": float(scores[run])}
        for run, row in sorted(rows.items())
        if run in scores and run not in wrong and _add(_address(uri, row), settings, row, float(scores[run]), by)
    ]
    for run in sorted(wrong)[:SHOWN]:
        _LOG.warning("run %.128s: %.20r is no score from 1 to 5; correct it in the sheet", run, scores[run])
    known = len(scores) - len(wrong) - len(unknown)
    return {
        "uri": join(uri, ""),
        "scores": len(scores),
        "added": len(added),
        "unchanged": known - len(added),
        "unknown": len(unknown),
        "refused": len(wrong),
        "versions": added,
    }


def _address(uri: str, row: Row) -> str:
    """The address of the NAME's folder, with whatever ``uri`` has that is not shown."""
    uri = uri.rstrip("/")
    return uri if row["uri"].count("/") == f"{join(uri, '')}/{VERSIONS_PREFIX}x".count("/") else f"{uri}/{row['name']}"


def _add(root: str, settings: Settings, row: Row, score: float, by: str) -> bool:
    life = list_lives(open_store(root, settings)).get(row["version"], Life())
    if _last(life, by) == score:
        return False
    review(f"{root}/{VERSIONS_PREFIX}{row['version']}", settings, score=score, by=by)
    return True


def _last(life: Life, by: str) -> float | None:
    given = [each.score for each in life.reviews if each.by == by and each.score is not None]
    return given[-1] if given else None
