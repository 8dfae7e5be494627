"""Curves: round ticks, points inside the drawing, and few of them however long the run."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.report.curves import HEIGHT, MAX_POINTS, TICKS, WIDTH, curves, ticks
from tests.support import published


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
    assert ticks(low, high) == expected


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_of_any_range(low: float, width: float) -> None:
    """Any range has between two and TICKS + 1 ticks, all inside it."""
    found = ticks(low, low + width)
    assert 2 <= len(found) <= TICKS + 1
    slack = 1e-9 * (abs(low) + width) * 10
    assert all(low - slack <= value <= low + width + slack for value in found)


def test_long_run() -> None:
    """A curve of 20,000 steps is drawn with a few hundred points, the last step among them, all inside."""
    records = [{"step": step, "group": "train", "loss": 1 / step, "learning_rate": 1e-3} for step in range(1, 20_001)]
    drawn = str(curves(records))
    assert drawn.count("<circle") == MAX_POINTS
    for line in re.findall(r'points="([^"]+)"', drawn):
        places = [tuple(map(float, place.split(","))) for place in line.split()]
        assert len(places) == MAX_POINTS
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert "at step 20000" in drawn


def test_flat_and_broken_values() -> None:
    """A constant learning rate is a level line; values that are no number are left out."""
    records = [{"step": step, "group": "train", "loss": math.nan, "learning_rate": 1e-3} for step in (1, 2, 3)]
    drawn = str(curves(records))
    assert drawn.count("<svg") == 1 and "nan" not in drawn
    (line,) = re.findall(r'points="([^"]+)"', drawn)
    assert len({place.split(",")[1] for place in line.split()}) == 1


def test_nothing_to_draw() -> None:
    """One point is no curve."""
    assert curves([]) is None
    assert curves(published.metrics(1)[1:2]) is None
