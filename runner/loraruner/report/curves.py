"""Curves as inline SVG: raw values as dots, the trend as a line, axes with round numbers."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loraruner.markup import Html, joined, tag

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 26, 40  # room for the numbers, and for what each axis tells
MAX_POINTS = 300
FEW_POINTS = 40  # a line through so few shows each
TICKS = 5

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """Points in order of x. ``style`` (a class of the style sheet): ``trend``, ``second`` or ``raw``."""

    name: str
    points: Sequence[Point]
    style: str = "trend"


@dataclass(frozen=True)
class Axes:
    """``label`` tells what goes up; ``published``: the step whose weights are, when that is worth a line."""

    label: str
    from_zero: bool = False
    published: int | None = None


def curves(metrics: Sequence[Mapping[str, Any]], published: int | None = None) -> Html | None:
    """Charts of the training loss, what was measured on held-out and general samples, and the learning rate.

    ``published``: the step whose weights are published, where it is not the last; marked in what was measured.
    """
    loss = _values(metrics, "train", "loss")
    words, letters = (_percent(_values(metrics, "evaluation", rate)) for rate in ("wer", "cer"))
    held_out, general = (_values(metrics, "evaluation", key) for key in ("loss", "general_loss"))
    rate = _thinned(_values(metrics, "train", "learning_rate"))
    axes = Axes("loss", published=published)
    charts = (
        _chart(
            "Errors on held-out clips",
            Axes("wrong, in %", from_zero=True, published=published),
            Series("words", words),
            Series("characters", letters, "second"),
        ),
        _chart(
            "Training loss", Axes("loss"), Series("trend", _smooth(loss)), Series("each step", _thinned(loss), "raw")
        ),
        _chart("Loss on held-out samples", axes, Series("loss", held_out)),
        _chart("Loss on general text", axes, Series("loss", general)),
        _chart("Learning rate", Axes("learning rate"), Series("rate", rate)),
    )
    shown = [chart for chart in charts if chart]
    return tag("div", *shown, class_="charts") if shown else None


def _percent(points: Sequence[Point]) -> list[Point]:
    return [(x, 100 * y) for x, y in points]


def ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """At most ``count`` + 1 numbers in ``low``..``high``, 1, 2, 2.5 or 5 times a power of ten apart."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _values(metrics: Iterable[Mapping[str, Any]], group: str, key: str) -> list[Point]:
    found = ((record["step"], record.get(key)) for record in metrics if record["group"] == group)
    return [(float(step), float(value)) for step, value in found if value is not None and math.isfinite(value)]


def _smooth(points: Sequence[Point]) -> list[Point]:
    """The mean of the neighbours on both sides, a 25th of the curve in all, at evenly spaced points."""
    reach = max(1, len(points) // 50)

    def mean(index: int) -> float:
        near = [y for _, y in points[max(0, index - reach) : index + reach + 1]]
        return sum(near) / len(near)

    return [(points[index][0], mean(index)) for index in _places(len(points))]


def _thinned(points: Sequence[Point]) -> list[Point]:
    return [points[index] for index in _places(len(points))]


def _places(count: int) -> list[int]:
    """Evenly spaced indices into ``count`` points, at most MAX_POINTS, with the first and the last."""
    if count <= MAX_POINTS:
        return list(range(count))
    return [round(index * (count - 1) / (MAX_POINTS - 1)) for index in range(MAX_POINTS)]


@dataclass(frozen=True)
class _Frame:
    """The part of the plane that a drawing shows."""

    left: float
    right: float
    low: float
    high: float

    def place(self, point: Point) -> Point:
        """Where a point lies on the drawing."""
        x = LEFT + (point[0] - self.left) / (self.right - self.left) * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - (point[1] - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)


def _chart(title: str, axes: Axes, main: Series, *behind: Series) -> Html | None:
    """A figure with title, legend (of more than one series) and drawing; None without two steps."""
    series = [each for each in (*behind, main) if each.points]
    if len({x for x, _ in main.points}) < 2:
        return None
    xs, ys = zip(*(point for each in series for point in each.points), strict=True)
    frame = _Frame(min(xs), max(xs), *_bounds((*ys, 0.0) if axes.from_zero else ys))
    published = axes.published if axes.published in xs else None
    keys = [(each.name, each.style) for each in reversed(series)]
    keys += [("published", "published")] * (published is not None)
    legend = (tag("span", name, class_=f"key {style}") for name, style in keys if len(keys) > 1)
    drawing = tag(
        "svg",
        *_axes(frame, axes.label),
        None if published is None else _published(frame, published),
        *(_drawn(each, frame) for each in series),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{title}: {_told(main)}",
    )
    return tag("figure", tag("figcaption", tag("b", title), *legend), drawing, class_="chart")


def _told(series: Series) -> str:
    (first, start), (last, end) = series.points[0], series.points[-1]
    return f"{series.name} {start:.4g} at step {first:g}, {end:.4g} at step {last:g}"


def _bounds(values: Sequence[float]) -> Point:
    """Lowest and highest value with a little room; a flat curve gets much."""
    low, high = min(values), max(values)
    room = (high - low) * 0.04 if high - low > 1e-9 * abs(high) else abs(high) * 0.5 or 1.0
    return low - room, high + room


def _axes(frame: _Frame, label: str) -> Iterable[Html]:
    """A line and a number for each tick; steps below, values to the left, and what both are."""
    for value in ticks(frame.low, frame.high):
        _, y = frame.place((frame.left, value))
        yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid")
        yield tag("text", f"{value:g}", x=LEFT - 6, y=y + 4, text_anchor="end")
    for value in ticks(frame.left, frame.right):
        x, _ = frame.place((value, frame.low))
        anchor = "end" if x > WIDTH - RIGHT - 14 else "middle"
        yield tag("text", f"{value:g}", x=x, y=HEIGHT - BOTTOM + 18, text_anchor=anchor)
    yield tag("text", label, x=0, y=12, class_="axis")
    yield tag("text", "step", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle", class_="axis")


def _published(frame: _Frame, step: int) -> Html:
    x, _ = frame.place((step, frame.low))
    return tag("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="published")


def _drawn(series: Series, frame: _Frame) -> Html:
    placed = [frame.place(point) for point in series.points]
    if series.style == "raw":
        return tag("g", *(tag("circle", cx=x, cy=y, r=1.4) for x, y in placed), class_="raw")
    line = tag("polyline", points=" ".join(f"{x},{y}" for x, y in placed), class_=series.style)
    few = (tag("circle", cx=x, cy=y, r=2.6) for x, y in placed if len(placed) <= FEW_POINTS)
    return joined((line, tag("g", *few, class_=f"{series.style} dots")))
