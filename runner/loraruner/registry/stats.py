"""What the runs of an output add up to: who makes most, what is liked most, which parameters hold."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from loraruner.registry.answers import UNNAMED, Summary, answers
from loraruner.registry.rows import Row

GROUPS: Mapping[str, Callable[[Row], str]] = {
    "team": lambda row: row["team"] or UNNAMED,
    "task": lambda row: row["task"] or UNNAMED,
    "rank": lambda row: _shown(row["rank"]),
    "lr": lambda row: _shown(row["learning_rate"]),
    "batch": lambda row: _shown(row["batch"]),
}


def stats(rows: Sequence[Row], by: Sequence[str] = tuple(GROUPS)) -> dict[str, Any]:
    """Counts and medians over all runs and by each of ``by``, and the questions that people ask, answered.

    ``success_rate``: the share of the runs that ended with a version. Minutes, GPU-hours and scores are those of
    published versions. Sorted by runs, then by name, so that the same rows give the same document.
    """
    groups = {name: _grouped(rows, GROUPS[name]) for name in by}
    trained = [row for row in rows if row["version"] is not None or row["steps"]]  # others say nothing of settings
    return {
        **_summary(rows),
        "names": len({row["name"] for row in rows}),
        "by": groups,
        "answers": answers(
            _grouped(rows, GROUPS["team"]), _grouped(rows, GROUPS["task"]), _grouped(trained, _parameters)
        ),
    }


def _grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> list[Summary]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    found = [{"value": value, **_summary(each)} for value, each in groups.items()]
    return sorted(found, key=lambda each: (-each["runs"], each["value"]))


def _summary(rows: Sequence[Row]) -> Summary:
    made = [row for row in rows if row["version"] is not None]
    scores = [row["score"] for row in made if row["score"] is not None]
    minutes = [row["minutes"] for row in made if row["minutes"] is not None]
    return {
        "runs": len(rows),
        "versions": len(made),
        "success_rate": round(len(made) / len(rows), 4) if rows else None,
        "median_minutes": round(median(minutes), 2) if minutes else None,
        "gpu_hours": round(sum(row["gpu_hours"] or 0.0 for row in made), 3),
        "released": sum(row["status"] == "released" for row in made),
        "scored": len(scores),
        "score": round(fmean(scores), 2) if scores else None,
    }


def _parameters(row: Row) -> str:
    return f"rank {_shown(row['rank'])}, lr {_shown(row['learning_rate'])}, batch {_shown(row['batch'])}"


def _shown(value: float | None) -> str:
    return UNNAMED if value is None else f"{value:g}"
