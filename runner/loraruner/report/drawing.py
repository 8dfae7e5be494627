"""What matplotlib draws, as SVG that belongs to the page around it: its colours, its font, nothing else.

The paths and places are matplotlib's. Ids, style sheets, clip paths and addresses are left out, so that any number of
drawings fit on a page whose policy forbids them, and the same values give the same bytes. Text goes around matplotlib,
which would look for its letters in fonts and read ``$`` as mathematics.
"""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Literal

from loraruner.errors import EnvironmentUnfit
from loraruner.markup import Html, tag

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 400  # units of the drawing, about a pixel each on a phone
FONT_SIZE = 12

Point = tuple[float, float]
Style = Literal["trend", "second", "raw", "grid", "chosen", "trouble", "number", "word"]


@dataclass(frozen=True)
class Colour:
    """What matplotlib is told to draw in, and the variable of the page's style sheet that takes its place."""

    drawn: str
    variable: str


COLOURS: Mapping[Style, Colour] = {
    "trend": Colour("#a00001", "--accent"),
    "second": Colour("#a00002", "--second"),
    "raw": Colour("#a00003", "--raw"),
    "grid": Colour("#a00004", "--line"),
    "chosen": Colour("#a00005", "--ink"),
    "trouble": Colour("#a00006", "--warn"),
    "number": Colour("#a00007", "--soft"),
    "word": Colour("#a00008", "--ink"),
}
DASHES: Mapping[Style, tuple[int, tuple[int, int]]] = {"second": (0, (5, 4)), "chosen": (0, (2, 3))}
# Styles of matplotlib's elements that are kept, as attributes of ours.
KEPT = ("stroke-width", "stroke-dasharray", "stroke-linecap", "text-anchor")
NUMBER = re.compile(r"-?\d+\.\d+")
NOTHING_ELSE = {"Date": None, "Creator": None, "Format": None, "Type": None}
_ALONE = threading.Lock()  # matplotlib's settings are those of the whole process


class Drawing:
    """One drawing of WIDTH by ``height`` units; ``margins``: left, right, top, bottom of what ``axes`` shows.

    Raises EnvironmentUnfit (78) without matplotlib.
    """

    def __init__(self, height: int, margins: tuple[int, int, int, int]) -> None:
        left, right, top, bottom = margins
        self.height = height
        self.figure = _new_figure(height)
        box = (left / WIDTH, bottom / height, (WIDTH - left - right) / WIDTH, (height - top - bottom) / height)
        self.axes: Axes = self.figure.add_axes(box)
        for spine in self.axes.spines.values():
            spine.set_visible(False)
        self._words: list[str] = []

    def line(self, points: Sequence[Point], style: Style, width: float = 2) -> None:
        """A line through ``points``, in the units of ``axes``."""
        xs, ys = zip(*points, strict=True)
        self.axes.plot(
            xs,
            ys,
            color=COLOURS[style].drawn,
            linewidth=width,
            linestyle=DASHES.get(style, "-"),
            solid_capstyle="butt",
            clip_on=False,
        )

    def dots(self, points: Sequence[Point], style: Style, width: float) -> None:
        """Round dots: lines without length, of which one path holds any number."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        path = Path([point for each in points for point in (each, each)], [Path.MOVETO, Path.LINETO] * len(points))
        path.should_simplify = False
        colour = COLOURS[style].drawn
        self.axes.add_patch(
            PathPatch(path, fill=False, edgecolor=colour, linewidth=width, capstyle="round", clip_on=False)
        )

    def word(self, place: Point, text: str, style: Style, align: Literal["left", "center", "right"]) -> None:
        """``text`` at ``place``, which counts in units of the drawing from its lower left corner."""
        self._words.append(text)
        token = f"word {len(self._words) - 1}"
        self.figure.text(
            place[0] / WIDTH, place[1] / self.height, token, color=COLOURS[style].drawn, ha=align, fontsize=FONT_SIZE
        )

    def svg(self, told: str) -> Html:
        """The drawing as an element; ``told`` says to those who can't see it what it shows."""
        parts = [part for element in _read(self._rendered()) if (part := self._part(element))]
        return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {self.height}", role="img", aria_label=told)

    def _rendered(self) -> str:
        import matplotlib

        stream = io.StringIO()
        with _ALONE, matplotlib.rc_context({"svg.fonttype": "none", "text.parse_math": False, "savefig.bbox": None}):
            self.figure.savefig(stream, format="svg", transparent=True, metadata=NOTHING_ELSE)
        return stream.getvalue()

    def _part(self, element: _Element) -> Html | None:
        """Our element for one of matplotlib's; None for those that show nothing."""
        attributes = element.attributes
        styles = dict(_styles(attributes.get("style", "")))
        kept = {name.replace("-", "_"): value for name, value in styles.items() if name in KEPT}
        if element.name == "path" and (stroke := _variable(styles.get("stroke"))):
            path = " ".join(NUMBER.sub(_rounded, attributes["d"]).split())
            return tag("path", d=path, style=f"stroke: {stroke}", fill="none", **kept)
        if element.name == "text":
            x, y = (NUMBER.sub(_rounded, attributes[name]) for name in "xy")
            fill = _variable(styles.get("fill")) or "currentColor"
            return tag("text", self._said(element.text.strip()), x=x, y=y, style=f"fill: {fill}", **kept)
        return None

    def _said(self, token: str) -> str:
        kind, _, place = token.partition(" ")
        return self._words[int(place)] if kind == "word" else token


@dataclass
class _Element:
    """One of matplotlib's elements, and the text in it."""

    name: str
    attributes: Mapping[str, str]
    text: str = ""


class _Reader(HTMLParser):
    """Notes elements in their order, however deep; names are in lower case."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(_Element(tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1].text += data


def _read(svg: str) -> list[_Element]:
    reader = _Reader()
    reader.feed(svg)
    reader.close()
    return reader.found


def _new_figure(height: int) -> Figure:
    try:
        with _ALONE:
            # Without a folder of its own for what it knows of fonts it says so; nothing here depends on it.
            logging.getLogger("matplotlib").setLevel(logging.ERROR)
            from matplotlib.figure import Figure
    except ImportError as error:
        raise EnvironmentUnfit("charts need matplotlib: pip install 'loraruner[report]'") from error
    return Figure(figsize=(WIDTH / 72, height / 72), dpi=72)  # at 72 dots an inch a point is a unit


def _styles(text: str) -> Iterator[tuple[str, str]]:
    for each in text.split(";"):
        name, _, value = each.partition(":")
        yield name.strip(), value.strip()


def _variable(colour: str | None) -> str | None:
    return next((f"var({each.variable})" for each in COLOURS.values() if each.drawn == colour), None)


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")
