"""The report in a real browser (``ci/setup-system`` installs it)."""

import html
import re
import subprocess
from pathlib import Path

import pytest

from loraruner.report import write_report
from tests.support import heard_clips, published

PHONE_PIXELS, DESK_PIXELS = 390, 1200
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
