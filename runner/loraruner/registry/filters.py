"""Which rows somebody wants to see."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from loraruner.errors import SpecInvalid
from loraruner.registry.rows import NUMBERS, Row

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
METRIC = re.compile(r"\s*(?P<name>[a-z_]+)\s*(?P<sign><=|>=|!=|==|<|>|=)\s*(?P<number>[-+0-9.eE]+)\s*")
MEASURED = tuple(name for name in NUMBERS if name not in ("exit_code", "events"))


@dataclass(frozen=True)
class Filters:
    """All of these hold for a row that is kept; what is empty holds for every row."""

    tasks: Sequence[str] = ()
    teams: Sequence[str] = ()
    labels: Sequence[str] = ()  # KEY=VALUE
    statuses: Sequence[str] = ()
    since: str | None = None  # YYYY-MM-DD, in UTC, as until: both days count
    until: str | None = None
    metrics: Sequence[str] = ()  # such as evaluation_after<1.2
    names: Sequence[str] = ()  # with * and ?
    latest: bool = False


Test = Callable[[Row], bool]


def apply(rows: Iterable[Row], filters: Filters) -> list[Row]:
    """The rows that all filters hold for, in their order; raises SpecInvalid (64) for a filter that is none."""
    tests: list[Test] = [
        *_one_of("task", filters.tasks),
        *_one_of("team", filters.teams),
        *_one_of("status", filters.statuses),
        *(_labelled(label) for label in filters.labels),
        *(_measured(metric) for metric in filters.metrics),
        *_named(filters.names),
        *_dated(filters.since, filters.until),
    ]
    if filters.latest:
        tests.append(lambda row: bool(row["latest"]))
    return [row for row in rows if all(test(row) for test in tests)]


def _one_of(column: str, wanted: Sequence[str]) -> list[Test]:
    return [lambda row: row[column] in wanted] if wanted else []


def _labelled(text: str) -> Test:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise SpecInvalid(f"--label: {text!r:.80} is not of the form KEY=VALUE; write for example team=brand")
    return lambda row: row["labels"].get(key) == value


def _measured(text: str) -> Test:
    match = METRIC.fullmatch(text)
    if not match or match["name"] not in MEASURED:
        raise SpecInvalid(
            f"--metric: {text!r:.80} compares nothing that is known; write for example evaluation_after<1.2, with one "
            f"of {', '.join(MEASURED)}"
        )
    try:
        number = float(match["number"])
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise SpecInvalid(f"--metric: {match['number']!r:.40} in {text!r:.80} is no number; correct it")
    compare, name = COMPARISONS[match["sign"]], match["name"]
    return lambda row: row[name] is not None and compare(row[name], number)


def _named(patterns: Sequence[str]) -> list[Test]:
    return [lambda row: any(fnmatchcase(row["name"], pattern) for pattern in patterns)] if patterns else []


def _dated(since: str | None, until: str | None) -> list[Test]:
    tests: list[Test] = []
    if first := _day("--since", since):
        tests.append(lambda row: row["created"][:10] >= first)
    if last := _day("--until", until):
        tests.append(lambda row: "" < row["created"][:10] <= last)
    return tests


def _day(option: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise SpecInvalid(f"{option}: {text!r:.40} is no day; write it as 2026-11-22") from None
