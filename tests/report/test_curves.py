"""Curves: points inside the drawing, few of them however long the run, and what happened marked."""

import math

from loraruner.report.curves import curves
from loraruner.report.drawing import WIDTH
from loraruner.report.plots import HEIGHT, MAX_POINTS
from tests.support import published
from tests.support.charts import legend, strokes


def test_long_run() -> None:
    """A curve of 20,000 steps is drawn with a few hundred points, the last step among them, all inside."""
    records = [{"step": step, "group": "train", "loss": 1 / step, "learning_rate": 1e-3} for step in range(1, 20_001)]
    drawn = str(curves(records))
    (raw,) = strokes(drawn, "--raw")
    assert len(raw) == 2 * MAX_POINTS  # each dot is a line without length
    trend, rate = strokes(drawn, "--accent")
    for points in (raw, trend, rate):
        assert 2 <= len(points) <= 2 * MAX_POINTS
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert raw[-1][0] == trend[-1][0] == rate[-1][0] == max(x for x, _ in raw)
    assert "at step 20000" in drawn
    assert len(drawn) < 40_000


def test_flat_and_broken_values() -> None:
    """A constant learning rate is a level line; values that are no number are left out."""
    records = [{"step": step, "group": "train", "loss": math.nan, "learning_rate": 1e-3} for step in (1, 2, 3)]
    drawn = str(curves(records))
    assert drawn.count("<svg") == 1 and "nan" not in drawn
    line, _ = strokes(drawn, "--accent")
    assert len({y for _, y in line}) == 1


def test_nothing_to_draw() -> None:
    """One point is no curve."""
    assert curves([]) is None
    assert curves(published.metrics(1)[1:2]) is None


def test_rollbacks_are_marked() -> None:
    """Steps that the run went back to are marked in training loss and learning rate, named once in each."""
    charts = str(curves(published.metrics(), rollbacks=[20, 40])).split("<figure")[1:]
    assert [legend(chart).count("rolled back to") for chart in charts] == [1, 0, 1]
    for chart in (charts[0], charts[2]):
        first, second = strokes(chart, "--warn")
        assert first[0][0] == first[1][0] < second[0][0] == second[1][0]
    assert strokes(charts[1], "--warn") == []
