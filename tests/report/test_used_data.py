"""The part on data: counts, a look at it, and why samples were left out."""

from pathlib import Path

from loraruner.data.samples import Skipped
from loraruner.report.gallery import Gallery, collect
from loraruner.report.used_data import data
from tests.report.test_gallery import write_pictures
from tests.support import published
from tests.support.report_page import Page


def test_counts() -> None:
    """How many were used, held out and left out."""
    found = Page(str(data(published.document(), Gallery()))).text
    for told in ("44 samples, each seen 47.7 times", "4 to measure with", "2 listed below", "digest5e5e5e5e5e5e5e5e"):
        assert told in found


def test_a_look_at_it(tmp_path: Path) -> None:
    """Pictures that were trained on come first, then those that were left out, each with its reason."""
    pictures = write_pictures(tmp_path / "data", 30)
    left_out = [Skipped("torn.png", "does not decode"), Skipped("029.png", "is blurred")]
    document = published.document()
    document["data"]["skipped"] = [{"name": bad.name, "reason": bad.reason} for bad in left_out]
    page = Page(str(data(document, collect(tmp_path / "data", pictures[:29], (), left_out))))
    assert page.tags.count("img") == 25
    assert "What was trained on: 24 of 44, evenly chosen" in page.text
    assert page.text.index("029.png is blurred") < page.text.index("torn.png does not decode")


def test_reasons_are_counted_where_they_repeat() -> None:
    """Many samples with few reasons: each reason is counted once, without what is of one sample alone."""
    document = published.document()
    document["data"]["skipped"] = [{"name": f"{n}.png", "reason": f"is blurred: sharpness {n}"} for n in range(60)]
    document["data"]["skipped"] += [{"name": "x", "reason": "has no caption"}]
    found = Page(str(data(document, Gallery()))).text
    assert "60: is blurred; 1: has no caption." in found
    assert "11 more are named in manifest.json." in found
    assert "1: cannot be decoded" not in Page(str(data(published.document(), Gallery()))).text
