"""The curves of a run: what falls while it trains, the rate it trained at, and where its monitor rolled it back."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loraruner.markup import Html, tag
from loraruner.report.drawing import Point
from loraruner.report.plots import Line, Mark, line_chart, places


def curves(
    metrics: Sequence[Mapping[str, Any]], published: int | None = None, rollbacks: Sequence[int] = ()
) -> Html | None:
    """Charts of the training loss, what was measured on held-out and general samples, and the learning rate.

    ``published``: the step whose weights are published, where it is not the last; marked in what was measured.
    ``rollbacks``: steps that the run went back to after it had diverged; marked in loss and learning rate.
    """
    loss, rate = _values(metrics, "train", "loss"), _values(metrics, "train", "learning_rate")
    words, letters = (_percent(_values(metrics, "evaluation", key)) for key in ("wer", "cer"))
    held_out, general = (_values(metrics, "evaluation", key) for key in ("loss", "general_loss"))
    chosen = [] if published is None else [Mark(published, "published")]
    back = [Mark(step, "rolled back to", "trouble") for step in rollbacks]
    charts = (
        line_chart(
            "Errors on held-out clips",
            [Line("words", words), Line("characters", letters, "second")],
            label="wrong, in %",
            from_zero=True,
            marks=chosen,
        ),
        line_chart(
            "Training loss",
            [Line("trend", _smooth(loss)), Line("each step", loss, "raw")],
            label="loss",
            marks=back,
        ),
        line_chart("Loss on held-out samples", [Line("loss", held_out)], label="loss", marks=chosen),
        line_chart("Loss on general text", [Line("loss", general)], label="loss", marks=chosen),
        line_chart("Learning rate", [Line("rate", rate)], label="learning rate", marks=back),
    )
    shown = [chart for chart in charts if chart]
    return tag("div", *shown, class_="charts") if shown else None


def _percent(points: Sequence[Point]) -> list[Point]:
    return [(x, 100 * y) for x, y in points]


def _values(metrics: Iterable[Mapping[str, Any]], group: str, key: str) -> list[Point]:
    found = ((record["step"], record.get(key)) for record in metrics if record["group"] == group)
    return [(float(step), float(value)) for step, value in found if value is not None and math.isfinite(value)]


def _smooth(points: Sequence[Point]) -> list[Point]:
    """The mean of the neighbours on both sides, a 25th of the curve in all, at evenly spaced points."""
    reach = max(1, len(points) // 50)

    def mean(index: int) -> float:
        near = [y for _, y in points[max(0, index - reach) : index + reach + 1]]
        return sum(near) / len(near)

    return [(points[index][0], mean(index)) for index in places(len(points))]
