"""Charts for pages: curves over steps, and amounts side by side. Drawn by matplotlib, shown in the page's colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from loraruner.markup import Html, tag
from loraruner.report.drawing import COLOURS, FONT_SIZE, WIDTH, Drawing, Point
from loraruner.report.figures import number

HEIGHT = 220
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 26, 44  # room for the numbers, and for what each axis tells
BAR_HEIGHT = 40  # a line of text and the bar below it
TICKS = 5
MAX_POINTS = 300
FEW_POINTS = 40  # a line through so few shows each
MAX_BARS = 20
MAX_MARKS = 40
MAX_NAME = 40
MAX_LETTERS = 6  # numbers that need more are written with an exponent, all of an axis alike


@dataclass(frozen=True)
class Line:
    """Points in order of x, of which at most MAX_POINTS are drawn. ``trend`` and ``second`` are lines, ``raw`` dots."""

    name: str
    points: Sequence[Point]
    style: Literal["trend", "second", "raw"] = "trend"


@dataclass(frozen=True)
class Mark:
    """An upright line where something happened; marks of one ``name`` share an entry of the legend."""

    x: float
    name: str
    style: Literal["chosen", "trouble"] = "chosen"


def line_chart(
    title: str, lines: Sequence[Line], *, label: str, from_zero: bool = False, marks: Sequence[Mark] = ()
) -> Html | None:
    """A figure of curves over steps, the first line in front; None where that has fewer than two different x.

    ``label`` tells what goes up. Values that are not finite and marks beside the curves are left out. Raises
    EnvironmentUnfit (78) without matplotlib.
    """
    shown = [Line(line.name, _finite(line.points), line.style) for line in lines]
    if not shown or len({x for x, _ in shown[0].points}) < 2:
        return None
    shown = [line for line in shown if line.points]
    points = [point for line in shown for point in line.points]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = _bounds([y for _, y in points] + [0.0] * from_zero)
    marks = [mark for mark in marks if left <= mark.x <= right][:MAX_MARKS]
    drawing = _plane((left, right), (low, high), label)
    for mark in marks:
        drawing.line([(mark.x, low), (mark.x, high)], mark.style, 1.2)
    for line in reversed(shown):
        _draw(drawing, line)
    keys = {line.name: line.style for line in shown} | {mark.name: mark.style for mark in marks}
    legend = [tag("span", name, class_=f"key {style}") for name, style in keys.items()] if len(keys) > 1 else []
    return _figure(title, legend, drawing.svg(f"{title}: {_told(shown[0])}"))


def bar_chart(title: str, bars: Sequence[tuple[str, float]], *, label: str, full: float | None = None) -> Html | None:
    """A figure of named amounts, one bar below the other in their order; None without a finite one.

    ``label`` tells what is counted. At most MAX_BARS are drawn, the number of the others is told. Bars tell amounts: of
    a number below zero only the text is shown. A whole bar is ``full``, or else the largest amount. Raises
    EnvironmentUnfit (78) without matplotlib.
    """
    finite = [(name, value) for name, value in bars if math.isfinite(value)]
    if not finite:
        return None
    shown, height = finite[:MAX_BARS], BAR_HEIGHT * min(len(finite), MAX_BARS)
    drawing = Drawing(height, (0, 0, 0, 0))
    longest = full or max(0.0, *(value for _, value in shown)) or 1.0
    drawing.axes.set_axis_off()
    drawing.axes.set_xlim(0, longest)
    drawing.axes.set_ylim(0, height)
    for place, (name, value) in enumerate(shown):
        top = height - place * BAR_HEIGHT
        drawing.word((0, top - FONT_SIZE - 1), _short(name), "word", "left")
        drawing.word((WIDTH, top - FONT_SIZE - 1), _amount(value), "number", "right")
        drawing.line([(0, top - 23), (longest, top - 23)], "grid", 7)
        if value > 0:
            drawing.line([(0, top - 23), (min(value, longest), top - 23)], "trend", 7)
    more = f"{number(len(finite) - MAX_BARS)} more not shown" if len(finite) > MAX_BARS else ""
    legend = [tag("span", text, class_="unit") for text in (label, more) if text]
    told = ", ".join(f"{name} {_amount(value)}" for name, value in shown)
    return _figure(title, legend, drawing.svg(f"{title}: {told}"))


def places(count: int) -> list[int]:
    """Evenly spaced indices into ``count`` points, at most MAX_POINTS, with the first and the last."""
    if count <= MAX_POINTS:
        return list(range(count))
    return [round(index * (count - 1) / (MAX_POINTS - 1)) for index in range(MAX_POINTS)]


def _figure(title: str, legend: Sequence[Html], drawing: Html) -> Html:
    return tag("figure", tag("figcaption", tag("b", title), *legend), drawing, class_="chart")


def _finite(points: Sequence[Point]) -> list[Point]:
    found = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    return [found[place] for place in places(len(found))]


def _told(line: Line) -> str:
    (first, start), (last, end) = line.points[0], line.points[-1]
    return f"{line.name} {start:.4g} at step {first:g}, {end:.4g} at step {last:g}"


def _bounds(values: Sequence[float]) -> Point:
    """Lowest and highest value with a little room; a flat curve gets much."""
    low, high = min(values), max(values)
    room = (high - low) * 0.04 if high - low > 1e-9 * abs(high) else abs(high) * 0.5 or 1.0
    return low - room, high + room


def _plane(xs: Point, ys: Point, label: str) -> Drawing:
    """Axes with a line and a number for each tick, and what both are."""
    drawing = Drawing(HEIGHT, (LEFT, RIGHT, TOP, BOTTOM))
    axes = drawing.axes
    axes.set_xlim(*xs)
    axes.set_ylim(*ys)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=FONT_SIZE, pad=6, labelcolor=COLOURS["number"].drawn)
    axes.grid(axis="y", color=COLOURS["grid"].drawn, linewidth=1)
    axes.set_xticks(*ticks(xs, integer=True))
    axes.set_yticks(*ticks(ys, integer=False))
    drawing.word((0, HEIGHT - FONT_SIZE), label, "word", "left")
    drawing.word(((LEFT + WIDTH - RIGHT) / 2, 6), "step", "word", "center")
    return drawing


def ticks(limits: Point, *, integer: bool) -> tuple[list[float], list[str]]:
    """Round numbers between ``limits``, and how they are written."""
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(TICKS, steps=[1, 2, 2.5, 5, 10], integer=integer).tick_values(*limits)
    ticks = [float(f"{tick:.12g}") for tick in found if limits[0] <= tick <= limits[1]]
    told = [_plain(tick) for tick in ticks]
    if max(map(len, told), default=0) > MAX_LETTERS and not integer:
        told = [_exponent(tick) if tick else "0" for tick in ticks]
    return ticks, told


def _plain(tick: float) -> str:
    return f"{int(tick):,}" if tick.is_integer() and abs(tick) < 1e6 else f"{tick:g}"


def _exponent(tick: float) -> str:
    """``1.5e-4``."""
    digits, _, power = f"{tick:.11e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def _draw(drawing: Drawing, line: Line) -> None:
    if line.style == "raw":
        drawing.dots(line.points, "raw", 2.8)
        return
    drawing.line(line.points, line.style)
    if len(line.points) <= FEW_POINTS:
        drawing.dots(line.points, line.style, 5.2)


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def _amount(value: float) -> str:
    whole = float(value).is_integer() and abs(value) < 1e15
    return number(int(value) if whole else value)
