"""The report in a real browser (``ci/setup-system`` installs it)."""

import html
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from loraruner.data.samples import Clip, Row, Skipped
from loraruner.report import Gallery, collect, write_report
from tests.report.test_gallery import write_pictures
from tests.support import heard_clips, published
from tests.support.sheet_in_browser import chromium

PHONE_PIXELS, DESK_PIXELS = 360, 1200
QUIET = (
    "--headless",
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAPER_PIXELS, PAPER_HEIGHT_PIXELS = 680, 1009  # what A4 holds within margins of 15 mm
MIN_TEXT_PIXELS, MIN_CONTRAST = 11, 4.5  # WCAG AA for text of any size
# Sizes of all texts as they are seen: a drawing is scaled to its place.
TEXT_SIZES = """() => [...document.querySelectorAll("body *")]
  .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((each) => {
    const scale = each instanceof SVGElement ? each.getScreenCTM().a : 1;
    return [parseFloat(getComputedStyle(each).fontSize) * scale, each.tagName, each.textContent.slice(0, 40)];
  })"""
# Texts of drawings that reach beyond their drawing.
CUT_TEXTS = """() => [...document.querySelectorAll("svg text")].filter((each) => {
  const [text, drawing] = [each.getBoundingClientRect(), each.ownerSVGElement.getBoundingClientRect()];
  return text.left < drawing.left - 1 || text.right > drawing.right + 1 || text.bottom > drawing.bottom + 1;
}).map((each) => each.textContent)"""
# Contrast of each text with the first background below it, by the formula of WCAG.
CONTRASTS = """() => {
  const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const below = (each) => {
    const colour = numbers(getComputedStyle(each).backgroundColor);
    return colour.length === 3 || colour[3] > 0 ? colour : below(each.parentElement);
  };
  return [...document.querySelectorAll("body *")]
    .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((each) => {
      const style = getComputedStyle(each);
      const text = light(numbers(each instanceof SVGElement ? style.fill : style.color));
      const [low, high] = [text, light(below(each))].sort((a, b) => a - b);
      return [(high + 0.05) / (low + 0.05), each.tagName, each.textContent.slice(0, 40)];
    });
}"""
# Heights of what must not be cut in two, and whether it may be.
WHOLE = """() => [...document.querySelectorAll("figure, article, blockquote, li, tr, .tiles, .terms, .counts")]
  .map((each) => [each.getBoundingClientRect().height, getComputedStyle(each).breakInside, each.className])"""
# The report's own policy forbids scripts: a page around it measures.
FRAME = """<!doctype html><iframe style="border: 0" width={width} height=800 srcdoc="{report}"></iframe>
<script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument;
  document.body.dataset.width = page.documentElement.scrollWidth;
  document.body.dataset.pictures = [...page.images].filter((picture) => picture.naturalWidth > 0).length;
  const box = page.querySelector(".scroll:has(.clips)");
  document.body.dataset.clips = box ? box.scrollWidth : 0;
  document.body.dataset.font = page.defaultView.getComputedStyle(page.body).fontSize;
}};
</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [PHONE_PIXELS, DESK_PIXELS])
def test_on_a_screen(tmp_path: Path, width: int) -> None:
    """On phone and desk nothing is wider than the screen, every picture is shown, and the style is applied."""
    published.write_samples(tmp_path)
    document = published.document()
    document["data"]["skipped"] = [{"name": "x" * 200, "reason": "cannot be decoded " * 20}]
    write_report(tmp_path, document, published.metrics())
    assert seen(tmp_path, width) == {"width": str(width), "pictures": "4", "font": "16px", "clips": "0"}


@pytest.mark.slow
@pytest.mark.parametrize("width", [PHONE_PIXELS, DESK_PIXELS])
def test_clips_on_a_screen(tmp_path: Path, width: int) -> None:
    """The table of clips fits phone and desk without scrolling, whatever was heard."""
    document = heard_clips.document()
    document["metrics"]["trials"][3] |= {
        "prompt": "clips/" + "0" * 90 + ".wav",
        "after": "la" * 100,
        "before": "la " * 200,
    }
    write_report(tmp_path, document, heard_clips.metrics())
    found = seen(tmp_path, width)
    assert found["width"] == str(width)
    assert width // 2 < int(found["clips"]) < width


def seen(folder: Path, width: int) -> dict[str, str]:
    """What a browser makes of the report; ``clips``: the width of what their table holds."""
    report = html.escape((folder / "report.html").read_text())
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width, report=report))
    profile = f"--user-data-dir={folder / 'profile'}"
    shown = subprocess.run(
        ["chromium", *QUIET, profile, "--dump-dom", frame.as_uri()],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    return dict(re.findall(r'data-(width|pictures|font|clips)="([^"]*)"', shown))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(params=["text-to-image", "text-generation", "automatic-speech-recognition"])
def report(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A report with everything on it: warnings, marks, messages, a look at the data, what was left out."""
    task: str = request.param
    speech = task == "automatic-speech-recognition"
    document = heard_clips.document() if speech else published.document(task)
    folder = tmp_path / "version"
    if task == "text-to-image":
        published.write_samples(folder)
    document["monitor"] = {
        "warnings": [{"kind": "rollback", "step": 40, "text": "the loss rose to 4 times its trend"}],
        "rollbacks": 1,
        "learning_rate_factor": 0.5,
        "gpu": None,
    }
    document["labels"] |= {"purpose": "key visuals for the autumn campaign", "expires": "2027-01-31"}
    document["data"]["skipped"] = [{"name": name, "reason": "is blurred: " * 9} for name in ("000.png", "x" * 200)]
    metrics = heard_clips.metrics() if speech else published.metrics()
    write_report(folder, document, metrics, gallery(task, tmp_path / "data"))
    return folder / "report.html"


def gallery(task: str, data: Path) -> Gallery:
    """A look at data of a task."""
    if task == "text-to-image":
        pictures = write_pictures(data, 30, side=64)
        return collect(data, pictures[1:], (), [Skipped("000.png", "is blurred")])
    row = Row("rows.jsonl:1", prompt="How?" * 30, text="Unbreakable" * 60)
    clip = Clip("clips/1.wav", data, "Open the seacock.", "", ())
    samples: list[Any] = [row if task == "text-generation" else clip] * 9
    return collect(data, samples, (), ())


def opened(browser: Browser, report: Path, width: int, **settings: Any) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 800}, **settings)
    page.goto(report.as_uri())
    return page


@pytest.mark.slow
def test_phone_is_readable(browser: Browser, report: Path) -> None:
    """At 360 pixels nothing is wider than the screen, and no text, in charts neither, is cut or below 11 pixels."""
    page = opened(browser, report, PHONE_PIXELS)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE_PIXELS
    assert [found for found in page.evaluate(TEXT_SIZES) if found[0] < MIN_TEXT_PIXELS] == []
    assert page.evaluate(CUT_TEXTS) == []
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser: Browser, report: Path, scheme: Any) -> None:
    """Every text stands out from what is behind it, by day and by night."""
    page = opened(browser, report, DESK_PIXELS, color_scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 50
    assert [each for each in found if each[0] < MIN_CONTRAST] == []
    page.close()


@pytest.mark.slow
def test_print_cuts_nothing(browser: Browser, report: Path) -> None:
    """On A4 nothing is wider than the paper, and no figure, row or box is cut: each fits a page and stays whole."""
    page = opened(browser, report, PAPER_PIXELS)
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") == PAPER_PIXELS
    found = page.evaluate(WHOLE)
    assert len(found) > 10
    assert [each for each in found if each[1] != "avoid" or each[0] > PAPER_HEIGHT_PIXELS] == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4", prefer_css_page_size=True).startswith(b"%PDF")
    page.close()
