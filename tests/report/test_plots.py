"""Charts: round numbers, every value in its place, what they mean beside them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.report.drawing import WIDTH
from loraruner.report.plots import BAR_HEIGHT, LEFT, MAX_BARS, TICKS, Line, Mark, bar_chart, line_chart, ticks
from tests.support.charts import legend, strokes, words

RISING = Line("loss", [(0, 1.0), (10, 3.0), (20, 2.0)])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 350, [0, 100, 200, 300]),
        (0.09, 0.21, [0.1, 0.125, 0.15, 0.175, 0.2]),
        (0, 2e-4, [0, 5e-5, 1e-4, 1.5e-4, 2e-4]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks(low: float, high: float, expected: list[float]) -> None:
    """Ticks are round numbers that lie in the range."""
    assert ticks((low, high), integer=False)[0] == expected


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_of_any_range(low: float, width: float) -> None:
    """Any range has between one and TICKS + 1 ticks, all inside it."""
    found, told = ticks((low, low + width), integer=False)
    assert 1 <= len(found) <= TICKS + 1 and len(told) == len(found)
    slack = 1e-9 * (abs(low) + width) * 10
    assert all(low - slack <= value <= low + width + slack for value in found)


@pytest.mark.parametrize(
    ("high", "told"),
    [
        (2e-4, ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]),
        (1.1e-3, ["0", "2.5e-4", "5e-4", "7.5e-4", "1e-3"]),
        (0.002, ["0", "0.0005", "0.001", "0.0015", "0.002"]),
        (20_000, ["0", "5,000", "10,000", "15,000", "20,000"]),
    ],
)
def test_how_numbers_are_written(high: float, told: list[str]) -> None:
    """Where a number of an axis would be long all have an exponent; large ones are grouped."""
    assert ticks((0, high), integer=False)[1] == told


def test_steps_are_whole() -> None:
    """No step lies between two steps."""
    assert ticks((1, 3), integer=True) == ([1, 2, 3], ["1", "2", "3"])


def test_values_lie_at_their_ticks() -> None:
    """A point lies at the height of the number that it is, right of the numbers."""
    drawn = str(line_chart("Loss", [RISING], label="loss"))
    dots, line = strokes(drawn, "--accent")
    heights = {float(text): y for text, (y,) in zip(words(drawn, align="end"), _grid(drawn), strict=True)}
    assert [y for _, y in line] == [heights[1], heights[3], heights[2]]
    assert [x for x, _ in line] == [LEFT, (LEFT + 380) / 2, 380]
    assert {*dots} == {*line}
    assert words(drawn, "--ink") == ["loss", "step"]


def _grid(drawn: str) -> list[set[float]]:
    return [{y for _, y in line} for line in strokes(drawn, "--line")]


def test_legend() -> None:
    """One curve needs no legend; of several each is named, and marks of one name once."""
    second = Line("other", [(0, 2.0), (20, 2.5)], "second")
    assert legend(str(line_chart("t", [RISING], label="loss"))) == []
    marks = [Mark(5, "back"), Mark(7, "back"), Mark(40, "beside")]
    drawn = str(line_chart("t", [RISING, second], label="loss", marks=marks))
    assert legend(drawn) == ["loss", "other", "back"]
    assert len(strokes(drawn, "--ink")) == 2


def test_zero_is_shown_where_it_is_asked_for() -> None:
    """A chart from zero has a tick at zero, the same values without it have none."""
    assert "0" not in words(str(line_chart("t", [RISING], label="loss")), align="end")
    assert "0" in words(str(line_chart("t", [RISING], label="loss", from_zero=True)), align="end")


@pytest.mark.parametrize("points", [[], [(1, 1.0)], [(1, 1.0), (1, 2.0)], [(1, math.nan), (2, math.inf), (3, 1.0)]])
def test_no_chart_without_two_steps(points: list[tuple[float, float]]) -> None:
    """Fewer than two places are no curve."""
    assert line_chart("t", [Line("loss", points), RISING], label="loss") is None
    assert line_chart("t", [], label="loss") is None


def test_bars() -> None:
    """Bars are as long as their shares of the longest; names and amounts stand above them."""
    drawn = str(bar_chart("Runs", [("brand", 12), ("speech", 3), ("none", 0)], label="by team"))
    assert [line[1][0] for line in strokes(drawn, "--accent")] == [WIDTH, WIDTH / 4]
    assert (words(drawn, "--ink"), words(drawn)) == (["brand", "speech", "none"], ["12", "3", "0"])
    assert f'viewBox="0 0 {WIDTH} {3 * BAR_HEIGHT}"' in drawn and "by team" in drawn
    assert 'aria-label="Runs: brand 12, speech 3, none 0"' in drawn


def test_bars_that_are_no_amounts() -> None:
    """Numbers that are not finite are left out, of one below zero only the number is shown, of many the first."""
    assert bar_chart("Runs", [("a", math.nan)], label="") is None
    drawn = str(bar_chart("Runs", [("a", -2.5), ("b", math.inf)], label=""))
    assert strokes(drawn, "--accent") == [] and words(drawn) == ["-2.5"]
    many = str(bar_chart("Runs", [(f"team {place}", place) for place in range(MAX_BARS + 5)], label=""))
    assert len(words(many)) == MAX_BARS and "5 more not shown" in many
