"""Which samples are trained on and which are held out, and what is said when none can be."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from loraruner import spec
from loraruner.captioning import Captioned, Desk
from loraruner.data.pictures import scan_pictures
from loraruner.data.quality.findings import Finding, Found
from loraruner.data.review.record import content_digest
from loraruner.data.review.verdicts import ACCEPT, REJECT, Verdict, render
from loraruner.data.samples import Clip, Picture, Scan, Skipped
from loraruner.errors import DataInvalid
from loraruner.families.base import Base, Family, TokenLimit
from loraruner.review import REJECTED
from loraruner.samples import Opened, open_samples
from loraruner.spec import Spec, catalog
from loraruner.stage import Fetched, Staged
from tests.support.pictures import write_pictures
from tests.support.tiny_training import job

HERE = Fetched(Path("/nowhere"), "0" * 64)
LIMIT = TokenLimit(len, 75)


class Scanning:
    """A family that accepts every base and finds ``count`` clips."""

    def __init__(self, count: int) -> None:
        self.count = count

    def check_base(self, path: Path) -> None:
        """Anything will do."""

    def localize(self, base: Base, folder: Path) -> Base:
        return base

    def scan(self, spec: Spec, folder: Path) -> Scan[Any]:
        names = (f"{index}.wav" for index in range(self.count))
        return Scan(tuple(Clip(name, folder / name, "one", "0" * 64, ((0, 16000),)) for name in names), ())


@pytest.mark.parametrize(("count", "parts", "warned"), [(1, (1, 0), True), (2, (1, 1), False), (20, (18, 2), False)])
def test_a_share_of_a_single_sample_is_told_to_be_none(
    count: int, parts: tuple[int, int], warned: bool, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """``evaluation.fraction`` holds back one sample at least; of a single one nothing, and a warning names the key."""
    job = spec.load(catalog.starter_text("automatic-speech-recognition").encode()).spec
    staged = Staged(HERE, Fetched(tmp_path, "0" * 64), None, None)
    opened = open_samples(job, staged, cast(Family, Scanning(count)), tmp_path)
    assert (len(opened.samples.train), len(opened.samples.evaluation)) == parts
    assert any("$.evaluation.fraction" in record.message for record in caplog.records) == warned


class Looking:
    """A family that accepts every base and finds the pictures of a folder."""

    def check_base(self, path: Path) -> None:
        """Anything will do."""

    def localize(self, base: Base, folder: Path) -> Base:
        return base

    def token_limit(self, spec: Spec, base: Path) -> TokenLimit:
        return LIMIT

    def scan(self, spec: Spec, folder: Path) -> Scan[Picture]:
        return scan_pictures(folder, metadata=spec.data.metadata, keep_uncaptioned=spec.data.caption is not None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures with captions and a licence."""
    write_pictures(tmp_path / "set", 10)
    (tmp_path / "set" / "LICENSE").write_text("CC0")
    return tmp_path / "set"


def write_review(folder: Path, **said: str) -> None:
    """``_3="accept"`` is what people said of 3.png."""
    samples = {sample.id: sample for sample in scan_pictures(folder, metadata=None).samples}
    found = {f"{name[1:]}.png": verdict for name, verdict in said.items()}
    lines = [Verdict(name, content_digest(samples[name]), verdict) for name, verdict in found.items()]
    (folder / "review.csv").write_bytes(render(lines))


def opened(folder: Path, desk: Desk | None = None, evaluation: Path | None = None, **overrides: Any) -> Opened:
    asked = {"data__uri": str(folder), **overrides}
    if evaluation:
        asked["evaluation__uri"] = str(evaluation)
    held_out = Fetched(evaluation, "0" * 64) if evaluation else None
    staged = Staged(HERE, Fetched(folder, "0" * 64), held_out, None)
    return open_samples(job(**asked), staged, cast(Family, Looking()), folder.parent, desk=desk)


def names(samples: tuple[Any, ...]) -> list[str]:
    return [sample.id for sample in samples]


@pytest.fixture
def captioner(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk at which every picture is called a lamp."""

    def said(spec: Spec, pictures: tuple[Picture, ...], desk: Desk) -> Captioned:
        desk.between()
        files = {picture.id: picture.sha256 for picture in pictures}
        captions = {name: "a lamp" for name in files if name != "9.png"}
        skipped = tuple(Skipped(name, "nothing came") for name in files if name == "9.png")
        return Captioned("blip", "5e" * 32, files, captions, skipped)

    monkeypatch.setattr("loraruner.captioning.make_captions", said)
    return Desk(Path("blip"), "5e" * 32, Path("journals"), "cpu", lambda: None)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A gate that leaves out 1.png; the list has what it was given."""
    given: list[Any] = []

    def guarded(
        spec: Spec, scan: Scan[Any], limit: TokenLimit | None, between: Callable[[int, int], None]
    ) -> tuple[Scan[Any], Found]:
        given.append((names(scan.samples), limit))
        kept = tuple(sample for sample in scan.samples if sample.id != "1.png")
        found = Found(len(scan.samples), (Finding("1.png", "blurred", "is blurred"),))
        return Scan(kept, (*scan.skipped, Skipped("1.png", "is blurred"))), found

    monkeypatch.setattr("loraruner.samples.quality.gate", guarded)
    return given


def test_plain_data(folder: Path) -> None:
    """Without a captioner, a review and a gate nothing is known of the samples but the files of the licence."""
    found = opened(folder)
    assert (len(found.samples.train), found.left_out) == (10, ())
    known = found.examined
    assert (known.licences, known.captioned, known.review, known.quality) == (("LICENSE",), None, None, None)


def test_rejected_samples_are_not_bad_ones(folder: Path) -> None:
    """Half the data set rejected by people ends no job; a bad sample counts by what is left, and all are named."""
    write_review(folder, **{f"_{number}": REJECT for number in range(5)})
    (folder / "9.png").write_bytes(b"torn")
    found = opened(folder, data__max_bad_fraction=0.2)
    assert names(found.samples.train) == ["5.png", "6.png", "7.png", "8.png"]
    assert [bad.name for bad in found.skipped] == ["9.png"]
    assert found.left_out[1:] == tuple(Skipped(f"{number}.png", REJECTED) for number in range(5))
    with pytest.raises(DataInvalid, match=r"1 of 5 samples are bad, more than \$\.data\.max_bad_fraction = 0\.1"):
        opened(folder, data__max_bad_fraction=0.1)


def test_the_gate_sees_what_is_left(folder: Path, gate: list[Any]) -> None:
    """It gets the base's limit and no rejected sample; what it leaves out counts as bad."""
    write_review(folder, _0=REJECT)
    found = opened(folder, data__quality={}, data__max_bad_fraction=0.2)
    assert gate == [([f"{number}.png" for number in range(1, 10)], LIMIT)]
    assert [bad.name for bad in found.skipped] == ["1.png"] and len(found.samples.train) == 8
    assert found.examined.quality and found.examined.quality.counts() == {"blurred": 1}
    with pytest.raises(DataInvalid, match="1 of 9 samples are bad"):
        opened(folder, data__quality={}, data__max_bad_fraction=0.1)


def test_no_gate_without_the_key(folder: Path, gate: list[Any]) -> None:
    """A job without ``data.quality`` is not checked."""
    opened(folder)
    assert gate == []


def test_captions_come_before_the_gate(folder: Path, gate: list[Any], captioner: Desk) -> None:
    """Pictures without a caption get one, those for which nothing came are bad, and the gate sees the others."""
    for number in (2, 3, 9):
        (folder / f"{number}.txt").unlink()
    found = opened(folder, captioner, data__caption={"model": "blip"}, data__quality={}, data__max_bad_fraction=0.2)
    assert gate[0][0] == [f"{number}.png" for number in range(9)]
    assert {sample.id: sample.caption for sample in found.samples.train}["3.png"] == "a lamp"
    assert [bad.name for bad in found.skipped] == ["9.png", "1.png"]
    assert found.examined.captioned and found.examined.captioned.facts["count"] == 2


def test_people_did_not_see_machine_captions(folder: Path, captioner: Desk) -> None:
    """Where a review is asked for, a caption that a model makes now is another than the reviewed one: 65."""
    write_review(folder, _1=ACCEPT, _2=ACCEPT, _3=REJECT)
    for number in (2, 3):
        (folder / f"{number}.txt").unlink()
    asked: dict[str, Any] = {"data__caption": {"model": "blip"}, "data__require_review": 0.1}
    with pytest.raises(DataInvalid, match=r"one sample \(2\.png\) changed since"):
        opened(folder, captioner, **asked)
    found = opened(folder, captioner, data__caption={"model": "blip"})
    assert found.examined.review and found.examined.review.facts == {"accepted": 1, "rejected": 1, "share": 0.1111}
    assert found.examined.captioned and list(found.examined.captioned.files) == ["2.png"]  # nobody captions 3.png


def test_too_little_review_is_told_before_captions_are_made(folder: Path, captioner: Desk) -> None:
    """What no caption could mend ends the job before the captioner is asked."""
    write_review(folder, _1=ACCEPT)
    (folder / "2.txt").unlink()
    unasked = replace(captioner, between=lambda: pytest.fail("asked"))
    with pytest.raises(DataInvalid, match="people have accepted 1 of 10"):
        opened(folder, unasked, data__caption={"model": "blip"}, data__require_review=0.3)


def test_captions_of_an_evaluation_are_people_s(folder: Path, captioner: Desk, tmp_path: Path) -> None:
    """The captioner is not asked about a held-out set of its own: its pictures without a caption are bad."""
    write_pictures(tmp_path / "held", 10)
    (tmp_path / "held" / "4.txt").unlink()
    found = opened(folder, captioner, tmp_path / "held", data__caption={"model": "blip"})
    assert (len(found.samples.train), len(found.samples.evaluation)) == (10, 9)
    assert [bad.name for bad in found.skipped] == ["4.png"]


def test_a_plan_captions_nothing_here(folder: Path) -> None:
    """Without a desk pictures without a caption stay as they are, to be counted."""
    (folder / "2.txt").unlink()
    found = opened(folder, None, data__caption={"model": "blip"})
    assert [sample.id for sample in found.samples.train if not sample.caption] == ["2.png"]
