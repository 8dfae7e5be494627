"""The report in a real browser (``ci/setup-system`` installs it)."""

import html
import re
import subprocess
from pathlib import Path

import pytest

from loraruner.report import write_report
from tests.support import published

PHONE_PIXELS = 390
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
FRAME = """<!doctype html><iframe width={width} height=800 srcdoc="{report}"></iframe>
<script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument;
  document.body.dataset.width = page.documentElement.scrollWidth;
  document.body.dataset.pictures = [...page.images].filter((picture) => picture.naturalWidth > 0).length;
  document.body.dataset.font = page.defaultView.getComputedStyle(page.body).fontSize;
}};
</script>"""


@pytest.mark.slow
def test_on_a_phone(tmp_path: Path) -> None:
    """On a phone nothing is wider than the screen, every picture is shown, and the style is applied."""
    published.write_samples(tmp_path)
    document = published.document()
    document["data"]["skipped"] = [{"name": "x" * 200, "reason": "cannot be decoded " * 20}]
    write_report(tmp_path, document, published.metrics())
    report = html.escape((tmp_path / "report.html").read_text())
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=PHONE_PIXELS, report=report))
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    seen = subprocess.run(
        ["chromium", *QUIET, profile, "--dump-dom", frame.as_uri()],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert re.findall(r'data-(width|pictures|font)="([^"]*)"', seen) == [
        ("width", str(PHONE_PIXELS)),
        ("pictures", "4"),
        ("font", "16px"),
    ]
