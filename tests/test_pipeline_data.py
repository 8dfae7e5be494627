"""What a job says of its data, from the command line to the manifest."""

import json
from pathlib import Path
from typing import Any

import pytest

from loraruner.data.pictures import scan_pictures
from loraruner.data.review.record import content_digest
from loraruner.data.review.verdicts import ACCEPT, REJECT, Verdict, render
from loraruner.data.rows import scan_rows
from loraruner.registry import validate_manifest
from tests.support.tiny_captioners import write_tiny_blip
from tests.support.tiny_lm import write_tiny_lm
from tests.support.usable import digest
from tests.support.user import User, assert_nothing_visible, assert_refused, write_job, write_text_job

QUICK = ("sampling.prompts=[]", "training.max_steps=1", 'output.formats=["peft"]', "options.resolution=32")


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioner") / "tiny-blip"
    write_tiny_blip(folder)
    return folder


def asking(folder: Path, base: Path, **data: Any) -> Path:
    """A job on the pictures of ``write_job`` that also asks for ``data``."""
    return write_job(folder, base, data={"uri": str(folder / "pictures"), **data})


def without_captions(folder: Path, *numbers: int) -> None:
    for number in numbers:
        (folder / "pictures" / f"{number:02d}.txt").unlink()


def review(folder: Path, **said: str) -> None:
    """``_03="accept"`` is what people said of 03.png."""
    samples = {sample.id: sample for sample in scan_pictures(folder, metadata=None).samples}
    found = {f"{name[1:]}.png": verdict for name, verdict in said.items()}
    lines = [Verdict(name, content_digest(samples[name]), verdict) for name, verdict in found.items()]
    (folder / "review.csv").write_bytes(render(lines))


def test_the_manifest_tells_of_the_data(tmp_path: Path, tiny_base: Path, user: User) -> None:
    """Licence, review and findings of the gate stand in the manifest, the card and the report, which shows it.

    The share that was reviewed is that of the samples which are left after the gate.
    """
    checks = {"short_caption": "skip", "blurred": "off", "too_small": "off", "near_duplicate": "off"}
    job = asking(tmp_path, tiny_base, license="CC-BY-4.0", quality={"checks": checks}, require_review=0.3)
    pictures = tmp_path / "pictures"
    (pictures / "NOTICE.txt").write_text("made by us")
    for number in range(11):
        (pictures / f"{number:02d}.txt").write_text(f"a sign of colour {number}")
    review(pictures, _00=ACCEPT, _01=ACCEPT, _02=ACCEPT, _03=ACCEPT, _04=REJECT)
    told = user.train(job, *QUICK)
    assert told.code == 0, told.err
    version = tmp_path / "out/tiny/versions/1"
    manifest = json.loads((version / "manifest.json").read_text())
    validate_manifest(manifest)
    data = manifest["data"]
    assert (data["license"], data["license_files"], data["captioned"]) == ("CC-BY-4.0", ["NOTICE.txt"], None)
    assert data["review"] == {"accepted": 4, "rejected": 1, "share": 0.4}
    assert (data["quality"]["checked"], data["quality"]["findings"]["short_caption"]) == (11, 1)
    assert [bad["name"] for bad in data["skipped"]] == ["11.png", "04.png"]
    assert data["used"] == 10
    for page in ("report.html", "README.md"):
        text = (version / page).read_text()
        assert "40.0 % (4 accepted; 1 rejected and left out)" in text and "1 short caption" in text
    seen = (version / "report.html").read_text().split("<h2>Data</h2>")[1]
    assert seen.count("<img") == 12 and "a sign of colour 9" in seen  # ten used, two left out
    assert not (version / "captions.jsonl").exists()


def test_what_the_gate_leaves_out_is_not_reviewed(tmp_path: Path, tiny_base: Path, user: User) -> None:
    """Too little of what is left was accepted: 65, and a sheet of the share that is named shows enough others."""
    asked = {"require_review": 0.3, "max_bad_fraction": 0.5, "quality": {"checks": {"short_caption": "skip"}}}
    job, pictures = asking(tmp_path, tiny_base, **asked), tmp_path / "pictures"
    for number in range(4, 12):
        (pictures / f"{number:02d}.txt").write_text(f"a sign of colour {number}")
    review(pictures, _00=ACCEPT, _01=ACCEPT, _02=ACCEPT, _04=ACCEPT)
    told = user.train(job, *QUICK)
    assert_refused(told, 65, "DATA_INVALID", "accepted 1 of 8 samples", "12.5 %", "2 more", "--share 0.75")


def test_a_plan_captions_as_few_as_it_needs(tmp_path: Path, tiny_base: Path, captioner: Path, user: User) -> None:
    """It says how many pictures have no caption and how long the captioner takes, and keeps nothing of the trial."""
    job = asking(tmp_path, tiny_base, caption={"model": str(captioner), "batch_size": 2, "max_new_tokens": 4})
    without_captions(tmp_path, *range(12))
    told = user.run("plan", job, overrides=QUICK)
    assert told.code == 0, told.err
    plan = told.result
    assert (plan["samples"]["train"], plan["samples"]["to_caption"], plan["samples"]["skipped"]) == (12, 12, [])
    assert plan["estimate"]["caption_s"] > 0
    assert told.err.count("2 pictures without a caption") == 1
    assert not (tmp_path / "out").exists() and not (tmp_path / "cache" / "captions").exists()


def test_a_plan_without_a_captioner(tmp_path: Path, tiny_base: Path, user: User) -> None:
    """Nothing is to be captioned, and no time is taken for it."""
    plan = user.run("plan", asking(tmp_path, tiny_base), overrides=QUICK).result
    assert (plan["samples"]["to_caption"], plan["estimate"]["caption_s"]) == (0, 0.0)


def test_the_captioner_is_an_input(tmp_path: Path, tiny_base: Path, captioner: Path, user: User) -> None:
    """Another one is another run; one that is not there is 66 before anything starts, another digest is 65."""
    missing = asking(tmp_path, tiny_base, caption={"model": str(tmp_path / "nowhere")})
    assert_refused(user.run("validate", missing, "--remote"), 66, "INPUT_MISSING", "$.data.caption.model", "nowhere")
    there = asking(tmp_path, tiny_base, caption={"model": str(captioner)})
    assert user.run("validate", there, "--remote").code == 0
    right = digest(captioner, tmp_path)
    wrong = asking(tmp_path, tiny_base, caption={"model": str(captioner), "sha256": "0" * 64})
    assert_refused(user.train(wrong, *QUICK), 65, "DATA_INVALID", "$.data.caption.sha256", right)
    assert_nothing_visible(tmp_path / "out")


def test_no_captioner_at_all(tmp_path: Path, tiny_base: Path, user: User) -> None:
    """A model of another kind is 65, and no version is made."""
    job = asking(tmp_path, tiny_base, caption={"model": str(tiny_base)})
    without_captions(tmp_path, 3)
    assert_refused(user.train(job, *QUICK), 65, "DATA_INVALID", "captioner")
    assert_nothing_visible(tmp_path / "out")


def test_a_review_that_is_too_small(tmp_path: Path, tiny_base: Path, user: User) -> None:
    """65 in one sentence with the command that mends it, by ``train`` and by ``plan``."""
    job = asking(tmp_path, tiny_base, require_review=0.5)
    review(tmp_path / "pictures", _00=ACCEPT)
    parts = ("$.data.require_review: people have accepted 1 of 12", "50 % are asked for: 5 more", "--share 0.5")
    assert_refused(user.train(job, *QUICK), 65, "DATA_INVALID", *parts)
    assert_refused(user.run("plan", job, overrides=QUICK), 65, "DATA_INVALID", *parts)


def test_a_review_of_one_file(tmp_path: Path, user: User) -> None:
    """Rows in a single file have no place for a review: 65 says where they should lie."""
    write_tiny_lm(tmp_path / "base")
    told = user.run("plan", write_text_job(tmp_path, tmp_path / "base"), overrides=["data.require_review=0.3"])
    assert_refused(told, 65, "DATA_INVALID", "$.data.require_review", "is one file", "review.csv in one folder")


def test_rows_are_checked_and_reviewed(tmp_path: Path, user: User) -> None:
    """A text job in a folder with its review: doubled rows go as the gate says, rejected ones as people said."""
    write_tiny_lm(tmp_path / "base")
    job = write_text_job(tmp_path, tmp_path / "base")
    folder = tmp_path / "rows"
    folder.mkdir()
    rows = (tmp_path / "rows.jsonl").read_text()
    (folder / "rows.jsonl").write_text(rows + "\n" + rows.splitlines()[0])
    samples = scan_rows(folder).samples
    verdicts = [
        Verdict(row.id, content_digest(row), REJECT if row.id.endswith(":3") else ACCEPT) for row in samples[1:6]
    ]
    (folder / "review.csv").write_bytes(render(verdicts))
    asked = (f"data.uri={folder}", 'data.quality={"checks": {"duplicate_row": "skip"}}', "data.max_bad_fraction=0.2")
    told = user.train(job, *asked, "data.require_review=0.5", "sampling.prompts=[]", "training.max_steps=1")
    assert told.code == 0, told.err
    data = json.loads((tmp_path / "out/tiny/versions/1/manifest.json").read_text())["data"]
    assert data["review"] == {"accepted": 4, "rejected": 1, "share": 0.5714}
    assert (data["quality"]["checked"], data["quality"]["findings"]["duplicate_row"]) == (8, 1)
    assert [bad["name"] for bad in data["skipped"]] == ["rows.jsonl:9", "rows.jsonl:3"]
    assert data["used"] == 7
