"""What the runs of an output add up to: who makes most, what is liked most, which parameters hold."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from loraruner.registry.rows import Row

GROUPS: Mapping[str, Callable[[Row], str]] = {
    "team": lambda row: row["team"] or UNNAMED,
    "task": lambda row: row["task"] or UNNAMED,
    "rank": lambda row: _shown(row["rank"]),
    "lr": lambda row: _shown(row["learning_rate"]),
    "batch": lambda row: _shown(row["batch"]),
}
UNNAMED = "(none)"
FEWEST = 3  # runs of one kind that anything is said of
SHOWN = 3  # of equals
Z = 1.96  # of the interval of 95 %
Summary = dict[str, Any]


def stats(rows: Sequence[Row], by: Sequence[str] = tuple(GROUPS)) -> dict[str, Any]:
    """Counts and medians over all runs and by each of ``by``, and the questions that people ask, answered.

    ``success_rate``: the share of the runs that ended with a version. Minutes, GPU-hours and scores are those of
    published versions. Sorted by runs, then by name, so that the same rows give the same document.
    """
    groups = {name: _grouped(rows, GROUPS[name]) for name in by}
    settings = _grouped(rows, _parameters)
    return {
        **_summary(rows),
        "names": len({row["name"] for row in rows}),
        "by": groups,
        "answers": _answers(rows, settings),
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


def _answers(rows: Sequence[Row], settings: Sequence[Summary]) -> list[str]:
    """Three plain sentences. What is named ``(none)`` is no answer."""
    teams = [each for each in _grouped(rows, GROUPS["team"]) if each["value"] != UNNAMED and each["versions"]]
    tasks = [each for each in _grouped(rows, GROUPS["task"]) if each["value"] != UNNAMED and each["scored"]]
    return [_most_productive(teams), _most_liked(tasks), _most_stable(settings)]


def _most_productive(teams: Sequence[Summary]) -> str:
    if not teams:
        return "No run names a team (labels.team), so nobody can say which one makes most."
    names, first = _winners(teams, lambda each: each["versions"])
    if len(names) > 1:
        return f"{_listed(names)} make most: {_count(first['versions'], 'version')} each."
    return f"{names[0]} makes most: {_count(first['versions'], 'version')} of {_count(first['runs'], 'run')}."


def _most_liked(tasks: Sequence[Summary]) -> str:
    if not tasks:
        return "No version has a score yet, so nobody can say which type is liked most."
    names, first = _winners(tasks, lambda each: each["score"])
    if len(names) > 1:
        return f"{_listed(names)} are liked most: {first['score']:.2f} of 5 each."
    return f"{names[0]} is liked most: {first['score']:.2f} of 5 over {_count(first['scored'], 'scored version')}."


def _most_stable(settings: Sequence[Summary]) -> str:
    known = [each for each in settings if each["runs"] >= FEWEST]
    if not known:
        return f"No settings were used in {FEWEST} runs or more, so nobody can say which are most stable."
    names, first = _winners(known, lambda each: lower_bound(each["versions"], each["runs"]))
    ended = f"{first['versions']} of {_count(first['runs'], 'run')} ended with a version"
    if len(names) > 1:
        return f"{_listed(names, '; ')} are most stable: {ended} each."
    return f"{names[0]} is most stable: {ended}."


def _winners(groups: Sequence[Summary], value: Callable[[Summary], float]) -> tuple[list[str], Summary]:
    """The names of the best, in order, and the first of them: nobody is hidden behind an equal one."""
    most = max(map(value, groups))
    best = sorted((each for each in groups if value(each) == most), key=lambda each: str(each["value"]))
    return [each["value"] for each in best], best[0]


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    """``a, b and c``; of many the first few."""
    shown, more = names[:SHOWN], len(names) - SHOWN
    if more > 0:
        return f"{separator.join(shown)} and {more} more"
    return f"{separator.join(shown[:-1])} and {shown[-1]}"


def lower_bound(successes: int, runs: int) -> float:
    """The lower end of Wilson's interval (95 %) for a share: 20 of 20 is more than 3 of 3. (Wilson, JASA 22, 1927.)"""
    share, square = successes / runs, Z * Z
    middle = share + square / (2 * runs)
    width = Z * ((share * (1 - share) + square / (4 * runs)) / runs) ** 0.5
    return float((middle - width) / (1 + square / runs))


def _parameters(row: Row) -> str:
    return f"rank {_shown(row['rank'])}, lr {_shown(row['learning_rate'])}, batch {_shown(row['batch'])}"


def _shown(value: float | None) -> str:
    return UNNAMED if value is None else f"{value:g}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
