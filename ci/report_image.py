"""Makes docs/images/report.png: the head of the style example's report, as a browser shows it.

    python ci/report_image.py [REPORT]

Trains examples/style into a folder of its own, a minute or two on a CPU, unless REPORT names a report.html. Chromium
comes from ci/setup-system.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, ViewportSize, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "docs/images/report.png"
JOB = "examples/style/job.json"
SIZE: ViewportSize = {"width": 1180, "height": 1400}
MARGIN_PIXELS = 40
MAX_BYTES = 300_000
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")


def main() -> None:
    """Train where no report is given, and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", nargs="?", type=Path)
    given: Path | None = parser.parse_args().report
    with tempfile.TemporaryDirectory() as folder:
        report = given or train(Path(folder))
        shown = Image.open(io.BytesIO(photograph(report.resolve()))).convert("RGB")
    shown.quantize(256, dither=Image.Dither.NONE).save(IMAGE, optimize=True)
    if IMAGE.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{IMAGE}: {IMAGE.stat().st_size:,} bytes are more than {MAX_BYTES:,}; show less")


def train(folder: Path) -> Path:
    """The report of the example, published below ``folder``."""
    places = {"LORARUNER_WORKDIR": str(folder / "work"), "LORARUNER_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "loraruner", "train", JOB, "--set", f"output.uri={folder / 'loras'}"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **places, "OMP_NUM_THREADS": "1"}, check=True)
    (report,) = folder.glob("loras/*/versions/*/report.html")
    return report


def photograph(report: Path) -> bytes:
    """A PNG of what is seen first."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
        page.goto(report.as_uri())
        end = page.evaluate("document.querySelector('.trials').getBoundingClientRect().bottom")
        area: FloatRect = {"x": 0, "y": 0, "width": SIZE["width"], "height": round(end) + MARGIN_PIXELS}
        picture = page.screenshot(animations="disabled", full_page=True, clip=area)
        browser.close()
    return picture


if __name__ == "__main__":
    main()
