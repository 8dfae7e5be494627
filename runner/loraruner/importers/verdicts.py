"""What became of each key of a foreign configuration, and why: the rows that ``loraruner import`` shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loraruner.errors import DataInvalid
from loraruner.spec.faults import HIDDEN, shorten

KEPT = "kept"
CHANGED = "changed"
FILLED = "filled"
DROPPED = "dropped"
DEAD = "dead"
LOST = "lost"
REFUSED = "refused"

MEANINGS: dict[str, str] = {
    KEPT: "carried over as it is",
    FILLED: "not in the file: what the other trainer takes then, or what a job has to say",
    DROPPED: "not carried over, as it makes no difference to the adapter here, or has no effect with this value",
    DEAD: "not carried over, as the trainer that the file is written for never reads it",
    CHANGED: "carried over with another value or name, as the reason says",
    LOST: "had an effect on the adapter that a job cannot have, or not exactly",
    REFUSED: "cannot become a job: it would train something else",
}
"""Every verdict, the weightiest last: rows are shown in this order."""


@dataclass(frozen=True)
class Row:
    """One key: its value as the file has it, the verdict, the place in the job and the value there, and the reason."""

    key: str
    value: str  # shortened JSON; credentials hidden
    verdict: str
    to: str = ""  # "$.training.epochs"
    becomes: str = ""  # shortened JSON
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.verdict:<8}{self.told()}"

    def told(self) -> str:
        """The key, what it becomes, and why."""
        told = self.key
        if self.value:
            told += f" = {self.value}"
        if self.to:
            told += f" -> {self.to}"
        if self.becomes and self.becomes != self.value:
            told += f" = {self.becomes}"
        return f"{told}: {self.reason}" if self.reason else told


class NotImported(DataInvalid):
    """A configuration that does not become a job: the rows so far and every problem, one sentence each."""

    def __init__(self, summary: str, rows: Sequence[Row] = (), problems: Sequence[str] = ()) -> None:
        self.rows = tuple(rows)
        self.problems = tuple(problems)
        super().__init__(summary)


def shown(value: object, secret: bool = False) -> str:
    """A value for people: JSON in few characters, credentials and secrets hidden, short lists written out."""
    if secret:
        return HIDDEN
    if isinstance(value, list | tuple) and 0 < len(value) <= 4 and not any(isinstance(x, list | dict) for x in value):
        text = f"[{', '.join(shorten(each) for each in value)}]"
        return text if len(text) <= 120 else shorten(value)
    if isinstance(value, list | tuple) and not value:
        return "[]"
    return shorten(value)


def by_weight(rows: Sequence[Row], places: Iterable[str]) -> tuple[Row, ...]:
    """Rows in the order of ``MEANINGS``, in each group by ``places``, the file's keys in their order."""
    weight = {verdict: index for index, verdict in enumerate(MEANINGS)}
    order = {place: index for index, place in enumerate(places)}
    return tuple(sorted(rows, key=lambda row: (weight[row.verdict], order.get(row.key, len(order)))))
