"""What people ask of the statistics, in plain sentences: who makes most, what is liked most, which settings hold.

Nothing is said to be most where there is nothing to compare it with, or too little to tell it from chance.
"""

from collections.abc import Callable, Sequence
from typing import Any

UNNAMED = "(none)"
FEWEST = 3  # runs, or scored versions, of one kind before it is compared with others
SHOWN = 3  # of equals
Z = 1.96  # of the interval of 95 %
Summary = dict[str, Any]


def answers(teams: Sequence[Summary], tasks: Sequence[Summary], settings: Sequence[Summary]) -> list[str]:
    """Three sentences from the summaries of ``registry.stats``; of ``settings`` only runs that trained are counted."""
    unnamed = sum(each["versions"] for each in teams if each["value"] == UNNAMED)
    named = [each for each in teams if each["value"] != UNNAMED]
    return [
        _most_productive(named, unnamed),
        _most_liked([each for each in tasks if each["value"] != UNNAMED]),
        _most_stable([each for each in settings if each["runs"] >= FEWEST]),
    ]


def _most_productive(teams: Sequence[Summary], unnamed: int) -> str:
    if not teams:
        return "No run names a team (labels.team), so nobody can say which one makes most."
    names, first = _winners(teams, lambda each: each["versions"])
    if not first["versions"]:
        return "No team has made a version yet."
    rest = f" {_count(unnamed, 'more version')} without a team." if unnamed else ""
    made, of_runs = _count(first["versions"], "version"), f"of {_count(first['runs'], 'run')}"
    if len(names) > 1:
        return f"{_listed(names)} make most: {made} each.{rest}"
    if len(teams) == 1:
        return f"{names[0]} is the only team: {made} {of_runs}.{rest}"
    return f"{names[0]} makes most: {made} {of_runs}.{rest}"


def _most_liked(tasks: Sequence[Summary]) -> str:
    if not any(each["scored"] for each in tasks):
        return "No version has a score yet, so nobody can say which type is liked most."
    known = [each for each in tasks if each["scored"] >= FEWEST]
    if not known:
        return f"No type has {FEWEST} scored versions yet, so nobody can say which one is liked most."
    names, first = _winners(known, lambda each: each["score"])
    score, over = f"{first['score']:.2f} of 5", f"over {_count(first['scored'], 'scored version')}"
    if len(names) > 1:
        return f"{_listed(names)} are liked most: {score} each."
    if len(known) == 1:
        return f"{names[0]} is the only type with {FEWEST} scored versions or more: {score} {over}."
    return f"{names[0]} is liked most: {score} {over}."


def _most_stable(known: Sequence[Summary]) -> str:
    """The settings with the highest lower bound; "so far" where another may in truth be better."""
    if not known:
        return f"No settings were used in {FEWEST} runs or more, so nobody can say which are most stable."
    names, first = _winners(known, lambda each: lower_bound(each["versions"], each["runs"]))
    ended = f"{first['versions']} of {_count(first['runs'], 'run')} ended with a version"
    if not first["versions"]:
        return f"No settings that were used in {FEWEST} runs or more have made a version."
    if len(known) == 1:
        return f"{names[0]}: {ended}. No other settings were used in {FEWEST} runs or more, so nothing compares."
    if len(names) > 1:
        return f"{_listed(names, '; ')} are most stable so far: {ended} each."
    others = (each for each in known if each["value"] != names[0])
    bound = lower_bound(first["versions"], first["runs"])
    close = any(upper_bound(each["versions"], each["runs"]) > bound for each in others)
    return f"{names[0]} is most stable{' so far' if close else ''}: {ended}."


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


def upper_bound(successes: int, runs: int) -> float:
    """The upper end of the same interval."""
    return 1 - lower_bound(runs - successes, runs)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
