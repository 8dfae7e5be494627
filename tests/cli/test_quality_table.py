"""What ``data check`` makes of its findings: their meaning, advice on the set."""

from pathlib import Path

import pytest

from loraruner.cli import quality_table
from loraruner.spec import model
from tests.support.pictures import write_pictures
from tests.support.user import User


def test_a_line_of_metadata_is_bad_and_no_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What would be skipped is counted as training counts it, and what is left as the samples that are left."""
    write_pictures(tmp_path / "set", 4, side=64)
    (tmp_path / "set/0.txt").unlink()
    (tmp_path / "set/metadata.csv").write_text("file_name,text\ngone.png,a sign in red\n")
    report = User(capsys).run("data", "check", tmp_path / "set", overrides=["data.quality.min_side=64"]).result
    assert (report["samples"], report["clean"]) == (4, 3)
    notes = report["notes"]
    assert [note for note in notes if note.startswith("3 pictures: ")]
    assert [note for note in notes if note.startswith("2 of 5 samples and lines of metadata would be skipped, more ")]
    assert [note for note in notes if note.startswith("1 without a caption: loraruner data label")]


def test_every_kind_has_a_meaning() -> None:
    """In words, for every check and for what can't be used, without the marks of the documentation."""
    for kind in (*model.Checks.__dataclass_fields__, "unreadable", "no_caption", "metadata"):
        text = quality_table.meaning(kind)
        assert len(text) > 15 and "`" not in text and not text.endswith("."), (kind, text)
