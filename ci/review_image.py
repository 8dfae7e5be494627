"""Makes docs/images/review.png: the review sheet of a few neon pictures, as a browser shows it.

    python ci/review_image.py

The pictures are those of examples/style, drawn larger; one is blurred, one has a caption that says little. Chromium
comes from ci/setup-system.
"""

import csv
import importlib.util
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from playwright.sync_api import ViewportSize, sync_playwright

from loraruner import quality
from loraruner.data.review.record import Record
from loraruner.data.review.sheet import Subject, write_sheet
from loraruner.data.review.subjects import DataSet, subjects
from loraruner.sources import without_job

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "docs/images/review.png"
TASK = "text-to-image"
THINGS = (
    ("yellow", "star", "neon style, a yellow star"),
    ("pink", "house", "a nice picture"),
    ("blue", "tree", "neon style, a blue tree"),
    ("green", "heart", "neon style, a green heart"),
    ("orange", "fish", "neon style, an orange fish"),
    ("purple", "triangle", "neon style, a purple triangle"),
)
BLURRED = "tree"
SIZE: ViewportSize = {"width": 1180, "height": 1340}
MAX_BYTES = 200_000
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")


def main() -> None:
    """Draw, check, write the sheet, judge a little, and take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "neon-style")
        draw(data)
        found = quality.inspect(without_job(str(data), TASK, None, ()).spec, data, None)
        samples = subjects(DataSet(data, TASK))
        sheet = Path(folder, "review.html")
        write_sheet(sheet, Subject(data.name, samples, found, Record(())), share=1)
        shown = Image.open(io.BytesIO(photograph(sheet))).convert("RGB")
    shown.quantize(256, dither=Image.Dither.NONE).save(IMAGE, optimize=True)
    if IMAGE.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{IMAGE}: {IMAGE.stat().st_size:,} bytes are more than {MAX_BYTES:,}; show less")


def draw(folder: Path) -> None:
    """The pictures and their metadata.csv, the same every time."""
    painter = example("make_pictures")
    painter.SIZE, painter.SUPERSAMPLING = 768, 1
    folder.mkdir()
    lines = [("file_name", "text")]
    for number, (colour, shape, caption) in enumerate(THINGS):
        picture = painter.draw(shape, painter.COLOURS[colour], np.random.default_rng(number))
        name = f"{number:02d}-{colour}-{shape}.png"
        (picture.filter(ImageFilter.GaussianBlur(14)) if shape == BLURRED else picture).save(folder / name)
        lines.append((name, caption))
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(lines)


def example(name: str) -> Any:
    """A script of examples/style, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/style/{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def photograph(sheet: Path) -> bytes:
    """A PNG of the sheet while somebody works on it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
        page.goto(sheet.as_uri())
        page.click("article:nth-of-type(1) button.accept")
        page.click("article:nth-of-type(3) button.reject")
        page.fill("article:nth-of-type(3) .comment input", "we have a sharper one")
        page.fill("article:nth-of-type(2) textarea", "neon style, a pink house")
        page.keyboard.press("Escape")
        page.evaluate("scrollTo(0, 0)")
        picture = page.screenshot(animations="disabled")
        browser.close()
    return picture


if __name__ == "__main__":
    main()
