"""What a look at a whole data set finds: every file, caption, row and clip, those that can't be used too."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from loraruner import spec
from loraruner.data.pictures import scan_pictures
from loraruner.data.quality.findings import Found
from loraruner.errors import DataInvalid, InputMissing
from loraruner.families.base import TokenLimit
from loraruner.quality import inspect, num_clean
from loraruner.sources import without_job
from loraruner.spec import Spec, catalog
from tests.support.pictures import write_pictures
from tests.support.recordings import burst, save
from tests.support.tiny_training import job

PICTURES, ROWS, CLIPS = "text-to-image", "text-generation", "automatic-speech-recognition"


def look(
    task: str, path: Path, *, metadata: str | None = None, limit: TokenLimit | None = None, **quality: Any
) -> Found:
    """Look as a usual job would, with these checks and thresholds."""
    overrides = [f"data.quality.{key}={json.dumps(value)}" for key, value in quality.items()]
    return inspect(without_job("set", task, metadata, overrides).spec, path, limit)


def kinds(found: Found) -> dict[str, list[str]]:
    """Samples by kind."""
    by_kind: dict[str, list[str]] = {}
    for finding in found.findings:
        by_kind.setdefault(finding.kind, []).append(finding.sample)
    return by_kind


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures of noise with captions of their own."""
    folder = tmp_path / "set"
    write_pictures(folder, 12, side=64)
    for number in range(12):
        (folder / f"{number}.txt").write_text(f"neon style, a sign with the number {number}")
    return folder


def test_a_clean_set(pictures: Path) -> None:
    """Every picture is counted, nothing is found."""
    found = look(PICTURES, pictures, min_side=64)
    assert (found.num_samples, found.findings, num_clean(found)) == (12, (), 12)


def test_pictures_that_cannot_be_used(pictures: Path) -> None:
    """Damaged, of another kind, a link, without a caption, badly listed: each is a finding of its kind."""
    (pictures / "1.png").write_bytes((pictures / "1.png").read_bytes()[:90])
    (pictures / "20.gif").write_bytes(b"GIF89a")
    (pictures / "21.png").symlink_to(pictures / "2.png")
    (pictures / "3.txt").unlink()
    (pictures / "4.txt").write_text(" \n")
    (pictures / "metadata.csv").write_text("file_name,text\nnot-there.png,a picture that is lost\n5.png,one,two\n")
    found = look(PICTURES, pictures, min_side=64)
    assert kinds(found) == {
        "unreadable": ["1.png", "20.gif", "21.png"],
        "no_caption": ["3.png", "4.png"],
        "metadata": ["metadata.csv:3", "not-there.png"],
    }
    assert found.num_samples == 14 and num_clean(found) == 9
    reasons = {bad.name: bad.reason for bad in scan_pictures(pictures, metadata=None).skipped}
    assert {each.sample: each.detail for each in found.findings} == reasons


def test_findings_stand_in_the_order_in_which_people_count(pictures: Path) -> None:
    """2 before 10; the same every time."""
    for number in (2, 9, 10, 11):
        (pictures / f"{number}.txt").unlink()
    found = look(PICTURES, pictures, min_side=64)
    assert [each.sample for each in found.findings] == ["2.png", "9.png", "10.png", "11.png"]
    assert look(PICTURES, pictures, min_side=64) == found


def test_one_fault_does_not_hide_another(pictures: Path) -> None:
    """A picture without a caption is looked at, and the caption of a picture that is bad is read."""
    shutil.copy(pictures / "0.png", pictures / "1.png")
    (pictures / "1.txt").unlink()
    (pictures / "2.png").write_bytes(b"no picture")
    (pictures / "2.txt").write_text("a photo")
    found = kinds(look(PICTURES, pictures, min_side=64))
    assert found["no_caption"] == ["1.png"] and found["near_duplicate"] == ["1.png"]
    assert found["unreadable"] == ["2.png"] and found["vague_caption"] == ["2.png"]


def test_checks_that_are_off_are_not_told(pictures: Path) -> None:
    """``off`` takes a kind out; what cannot be used is always told."""
    shutil.copy(pictures / "0.png", pictures / "1.png")
    (pictures / "2.txt").unlink()
    found = look(PICTURES, pictures, min_side=64, checks={"near_duplicate": "off"})
    assert kinds(found) == {"no_caption": ["2.png"]}


def test_captions_in_tokens(pictures: Path) -> None:
    """Counted where somebody can."""
    limit = TokenLimit(lambda text: len(text.split()), 8)
    (pictures / "0.txt").write_text("neon style, a sign that says much more than it should")
    assert kinds(look(PICTURES, pictures, min_side=64, limit=limit)) == {"long_caption": ["0.png"]}
    assert kinds(look(PICTURES, pictures, min_side=64)) == {}


def test_the_list_that_is_named(pictures: Path) -> None:
    """``metadata`` names the file with the captions; one that is not there is 66."""
    (pictures / "other.csv").write_text("file_name,text\n0.png,a photo\n")
    found = kinds(look(PICTURES, pictures, min_side=64, metadata="other.csv"))
    assert found == {"short_caption": ["0.png"], "vague_caption": ["0.png"]}
    with pytest.raises(InputMissing, match=r"no file 'none\.csv'"):
        look(PICTURES, pictures, min_side=64, metadata="none.csv")


def test_a_job_looks_by_its_own_measures(pictures: Path) -> None:
    """Its resolution is the least side, its captioner will fill what is missing, its list is read."""
    (pictures / "0.txt").unlink()
    found = inspect(job(options__resolution=128), pictures, None)
    assert {kind: len(samples) for kind, samples in kinds(found).items()} == {"too_small": 12, "no_caption": 1}
    captioned = job(options__resolution=64, data__caption={"model": "captioner"})
    assert kinds(inspect(captioned, pictures, None)) == {}
    (pictures / "0.txt").write_bytes(b"\xff")
    assert kinds(inspect(captioned, pictures, None)) == {"no_caption": ["0.png"]}


def test_rows(tmp_path: Path) -> None:
    """Rows that can't be read stand beside what is found in the others."""
    lines = ['{"prompt": "Who is there?", "completion": "The captain."}'] * 2
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, "no JSON", '{"prompt": "And?", "completion": "..."}']))
    found = look(ROWS, tmp_path)
    assert kinds(found) == {
        "duplicate_row": ["rows.jsonl:2"],
        "unreadable": ["rows.jsonl:3"],
        "empty_answer": ["rows.jsonl:4"],
    }
    assert (found.num_samples, num_clean(found)) == (4, 1)
    assert kinds(look(ROWS, tmp_path / "rows.jsonl")) == kinds(found)


def test_clips(tmp_path: Path) -> None:
    """Clips that can't be heard, that nobody wrote down, and lines of the list that name none."""
    for name in ("a", "b", "c"):
        save(tmp_path / f"{name}.wav", burst(1.0))
    save(tmp_path / "silent.wav", burst(1.0, level=0.0))
    (tmp_path / "d.m4a").write_bytes(b"x")
    listed = [{"file_name": f"{name}.wav", "text": "one"} for name in ("a", "b", "silent", "lost")]
    (tmp_path / "metadata.jsonl").write_text("\n".join([*map(json.dumps, listed), "no JSON"]))
    found = look(CLIPS, tmp_path)
    assert kinds(found) == {
        "no_caption": ["c.wav"],
        "unreadable": ["d.m4a", "silent.wav"],
        "metadata": ["lost.wav", "metadata.jsonl:5"],
    }
    assert (found.num_samples, num_clean(found)) == (5, 2)


def speech_job(*overrides: str) -> Spec:
    return spec.load(catalog.starter_text(CLIPS).encode(), overrides=overrides).spec


def test_long_clips_as_the_job_takes_them(tmp_path: Path) -> None:
    """Cut at silences, or too long, by the job's options."""
    save(tmp_path / "a.wav", burst(3.0))
    (tmp_path / "a.txt").write_text("one")
    assert inspect(speech_job(), tmp_path, None).findings == ()
    short = speech_job("options.encoder_frames=100", "options.long_clips=refuse")
    assert kinds(inspect(short, tmp_path, None)) == {"unreadable": ["a.wav"]}


def test_a_set_that_cannot_be_read(tmp_path: Path) -> None:
    """65 for a file in place of a folder, and for a list that is no list."""
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataInvalid, match="this is a file"):
        look(PICTURES, tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(DataInvalid, match=r"metadata\.csv:1: not UTF-8"):
        look(PICTURES, tmp_path, min_side=64)


def test_nothing_is_changed(pictures: Path) -> None:
    """A look leaves every file and time as it was."""
    before = {path: (path.read_bytes(), os.stat(path).st_mtime_ns) for path in pictures.iterdir()}
    look(PICTURES, pictures, min_side=64)
    assert {path: (path.read_bytes(), os.stat(path).st_mtime_ns) for path in pictures.iterdir()} == before
