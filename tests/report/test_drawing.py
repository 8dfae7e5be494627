"""Drawings: hostile text is text, the same bytes each time, and nothing that a page could not hold twice."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import matplotlib
import pytest

from loraruner.errors import EnvironmentUnfit, ExitCode
from loraruner.markup import Html
from loraruner.report.drawing import COLOURS, WIDTH
from loraruner.report.plots import HEIGHT, Line, Mark, bar_chart, line_chart
from loraruner.report.style import STYLE
from tests.support.charts import words
from tests.support.report_page import HOSTILE, Page

RISING = Line("loss", [(0, 1.0), (10, 3.0), (20, 2.0)])


@pytest.mark.parametrize("name", [HOSTILE, "a $b$ \\frac{", "\x00\x1b]", "時計 🕰", "word 1"])
def test_hostile_names(name: str) -> None:
    """Any name is text: no element, mathematics or other word comes from it, and no warning of letters."""
    chart = bar_chart(name, [(name, 2), ("other", 1)], label=name)
    curve = line_chart(name, [Line(name, RISING.points), Line(name, RISING.points)], label=name, marks=[Mark(3, name)])
    page = Page(f"{chart}{curve}")
    assert set(page.tags) <= {"figure", "figcaption", "b", "span", "svg", "path", "text"}
    assert words(str(chart), "--ink")[1] == "other"
    own = {"class", "viewbox", "role", "aria-label", "d", "style", "fill", "x", "y", "text-anchor"}
    assert {key for key, _ in page.attributes if not key.startswith("stroke-")} <= own


def test_same_bytes_from_any_thread_and_settings() -> None:
    """The same values give the same bytes, drawn side by side too; matplotlib's own settings stay as they were."""
    before = dict(matplotlib.rcParams)
    expected = line_chart("t", [RISING], label="loss")
    found: list[Html | None] = []
    threads = [threading.Thread(target=lambda: found.append(line_chart("t", [RISING], label="loss"))) for _ in "123"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3
    assert dict(matplotlib.rcParams) == before
    with matplotlib.rc_context({"axes.grid": True, "lines.linewidth": 9, "font.size": 30, "savefig.bbox": "tight"}):
        assert line_chart("t", [RISING], label="loss") == expected


def test_nothing_but_shapes_and_text() -> None:
    """A chart has no id, style sheet, address or script, so many fit on a page whose policy forbids them."""
    drawn = f"{line_chart('t', [RISING], label='loss')}{bar_chart('b', [('x', 1)], label='')}"
    assert not re.search(r'\bid=|<style|href|url\(|http|<script|<defs|clip-path="', drawn)
    assert f'viewBox="0 0 {WIDTH} {HEIGHT}"' in drawn


def test_every_colour_is_of_the_page() -> None:
    """Each colour is a variable that the style sheet defines for light, dark and paper."""
    for colour in COLOURS.values():
        assert STYLE.count(f"{colour.variable}: #") == 3


def test_a_home_that_cannot_be_written_is_no_news(tmp_path: Path) -> None:
    """Where matplotlib can keep nothing, a chart is drawn all the same, and neither log nor warning tells of it."""
    (tmp_path / "file").touch()
    code = "from loraruner.report.plots import bar_chart; import logging; logging.basicConfig(level=0); "
    code += "print(len(bar_chart('a', [('b', 1)], label='')))"
    environment = {"HOME": str(tmp_path / "file/home"), "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stderr) == (0, "") and int(ended.stdout) > 100


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib the error says what to install, with the code of a machine that is not fit."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(EnvironmentUnfit, match=r"pip install 'loraruner\[report\]'") as caught:
        bar_chart("Runs", [("a", 1)], label="")
    assert caught.value.code == ExitCode.ENVIRONMENT
