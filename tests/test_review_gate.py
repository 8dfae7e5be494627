"""What people said of the samples decides which are trained on, and whether at all."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loraruner.data.pictures import scan_pictures
from loraruner.data.review.record import content_digest
from loraruner.data.review.verdicts import ACCEPT, REJECT, Verdict, render
from loraruner.data.rows import scan_rows
from loraruner.data.samples import Picture, Scan, Skipped
from loraruner.errors import DataInvalid
from loraruner.review import REJECTED, Reviewed, of_those_left, require_reviewed
from tests.support.pictures import write_pictures
from tests.support.tiny_training import job


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures with captions."""
    write_pictures(tmp_path / "set", 10)
    return tmp_path / "set"


def scan(folder: Path, *, captioner: bool = False) -> Scan[Picture]:
    return scan_pictures(folder, metadata=None, keep_uncaptioned=captioner)


def write_review(folder: Path, samples: Scan[Any], **said: str) -> None:
    """``_3="accept"`` is what people said of 3.png (of line 3)."""
    by_number = {sample.id.split(".png")[0].split(":")[-1]: sample for sample in samples.samples}
    found = {by_number[name[1:]]: verdict for name, verdict in said.items()}
    lines = [Verdict(sample.id, content_digest(sample), verdict) for sample, verdict in found.items()]
    (folder / "review.csv").write_bytes(render(lines))


def accepted(*numbers: int) -> dict[str, str]:
    return {f"_{number}": ACCEPT for number in numbers}


def ask(folder: Path, found: Scan[Any], share: float = 0.0) -> tuple[Scan[Any], Reviewed | None]:
    return require_reviewed(job(data__uri=str(folder), data__require_review=share), folder, found)


def test_nobody_has_reviewed_and_nobody_asks(folder: Path) -> None:
    """Without a record all samples are used."""
    found = scan(folder)
    assert ask(folder, found) == (found, None)


def test_the_rejected_are_left_out(folder: Path) -> None:
    """They are no samples and no bad ones; the share is that of the samples that are left."""
    write_review(folder, scan(folder), **accepted(0, 1), _2=REJECT, _9=REJECT)
    kept, reviewed = ask(folder, scan(folder))
    assert [sample.id for sample in kept.samples] == [f"{number}.png" for number in (0, 1, 3, 4, 5, 6, 7, 8)]
    assert kept.skipped == ()
    assert reviewed == Reviewed(2, (Skipped("2.png", REJECTED), Skipped("9.png", REJECTED)), 0.25)
    assert reviewed.facts == {"accepted": 2, "rejected": 2, "share": 0.25}


def test_a_rejected_file_without_a_caption_is_no_bad_one(folder: Path) -> None:
    """When its caption is taken away, as applying a review does, it stays rejected and is not counted as bad."""
    write_review(folder, scan(folder), _2=REJECT)
    (folder / "2.txt").unlink()
    (folder / "3.txt").unlink()
    kept, reviewed = ask(folder, scan(folder))
    assert [bad.name for bad in kept.skipped] == ["3.png"]
    assert reviewed and [bad.name for bad in reviewed.rejected] == ["2.png"]


@pytest.mark.parametrize(
    ("num_accepted", "share", "missing"), [(3, 0.3, 0), (2, 0.3, 1), (0, 0.3, 3), (6, 0.7, 1), (9, 1, 1)]
)
def test_the_share_that_is_asked_for(folder: Path, num_accepted: int, share: float, missing: int) -> None:
    """Exactly the share is enough; less is 65, with what there is, what is asked, how many more, and the command."""
    write_review(folder, scan(folder), **accepted(*range(num_accepted)))
    if not missing:
        assert ask(folder, scan(folder), share)[1] == Reviewed(num_accepted, (), share)
        return
    told = f"accepted {num_accepted} of 10 samples of {folder} "
    with pytest.raises(DataInvalid) as caught:
        ask(folder, scan(folder), share)
    message = str(caught.value)
    assert message.startswith(f"$.data.require_review: people have {told}")
    assert f"and {100 * share:.3g} % are asked for: {missing} more" in message
    assert f"loraruner data review {folder} --share {share:g}" in message


def test_no_record_where_one_is_asked_for(folder: Path) -> None:
    """A data set that nobody has reviewed is 65, with the command."""
    with pytest.raises(DataInvalid, match=r"accepted 0 of 10 samples .*30 % are asked for: 3 more"):
        ask(folder, scan(folder), 0.3)


@pytest.mark.parametrize("change", ["caption", "file"])
def test_what_changed_since_does_not_count(folder: Path, change: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where a review is asked for, another caption or file than the reviewed one is 65; else a warning names it."""
    write_review(folder, scan(folder), **accepted(0, 1, 2, 3))
    if change == "caption":
        (folder / "1.txt").write_text("another caption")
    else:
        (folder / "1.png").write_bytes((folder / "7.png").read_bytes())
    with pytest.raises(DataInvalid, match=r"\$\.data\.require_review: .*one sample \(1\.png\) changed since"):
        ask(folder, scan(folder), 0.3)
    _, reviewed = ask(folder, scan(folder))
    assert reviewed and reviewed.accepted == 3
    assert "one sample (1.png) changed since they were reviewed" in caplog.text


def test_all_rejected(folder: Path) -> None:
    """A data set of which nothing is left is 65, and the reason is said."""
    write_review(folder, scan(folder), **{f"_{number}": REJECT for number in range(10)})
    with pytest.raises(DataInvalid, match=r"all samples are rejected in review\.csv"):
        ask(folder, scan(folder))


def test_pictures_that_a_captioner_is_to_caption(folder: Path) -> None:
    """What will be said of them is open: 65 only where they could not make the share large enough."""
    write_review(folder, scan(folder), **accepted(0, 1, 2))
    for number in (2, 3, 4):
        (folder / f"{number}.txt").unlink()
    found = scan(folder, captioner=True)
    _, reviewed = ask(folder, found, 0.5)
    assert reviewed and reviewed.accepted == 2
    with pytest.raises(DataInvalid, match=r"accepted 2 of 10 samples .*60 % are asked for: 4 more; 3 have no caption"):
        ask(folder, found, 0.6)
    (folder / "review.csv").unlink()
    with pytest.raises(DataInvalid, match=r"3 have no caption yet: write some with loraruner data label, then review"):
        ask(folder, found, 0.3)


def test_nothing_to_review(folder: Path) -> None:
    """Where no sample is left, that is for others to say."""
    write_review(folder, scan(folder), **accepted(0, 1, 2))
    assert ask(folder, Scan((), ()), 0.3) == (Scan((), ()), Reviewed(0, (), 0.0))


@pytest.mark.parametrize(("caption", "counts"), [("neon picture 2", True), ("a neon picture", False)])
def test_machine_captions(folder: Path, caption: str, counts: bool) -> None:
    """A caption that a model made counts as reviewed where people accepted that very text, else as changed."""
    write_review(folder, scan(folder), **accepted(0, 1, 2))
    (folder / "2.txt").unlink()
    found = scan(folder, captioner=True)
    made = tuple(sample if sample.caption else replace(sample, caption=caption) for sample in found.samples)
    if counts:
        assert ask(folder, Scan(made, ()), 0.3)[1] == Reviewed(3, (), 0.3)
    else:
        with pytest.raises(DataInvalid, match=r"one sample \(2\.png\) changed since"):
            ask(folder, Scan(made, ()), 0.3)


def test_rows(tmp_path: Path) -> None:
    """Rows in a folder are reviewed like pictures; a single file has no place for a review, and the way is told."""
    folder = tmp_path / "my rows"
    folder.mkdir()
    rows = [{"prompt": f"question {number}", "completion": f"answer {number}"} for number in range(4)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    write_review(folder, scan_rows(folder), _1=ACCEPT, _2=REJECT)
    spec = replace(job(data__require_review=0.3), task="text-generation")
    kept, reviewed = require_reviewed(spec, folder, scan_rows(folder))
    assert [row.id for row in kept.samples] == ["rows.jsonl:1", "rows.jsonl:3", "rows.jsonl:4"]
    assert reviewed and reviewed.facts == {"accepted": 1, "rejected": 1, "share": 0.3333}
    file = folder / "rows.jsonl"
    with pytest.raises(DataInvalid, match=r"is one file.*put the rows and review\.csv in one folder"):
        require_reviewed(spec, file, scan_rows(file))
    with pytest.raises(DataInvalid, match=r"--share 0\.9") as caught:
        ask(folder, scan_rows(folder), 0.9)
    assert f"loraruner data review '{folder}'" in str(caught.value)


def test_what_encoding_leaves_out(folder: Path) -> None:
    """Of fewer samples another share is accepted: it is told anew, and 65 where it is too small now."""
    write_review(folder, scan(folder), **accepted(0, 1, 2))
    kept, reviewed = ask(folder, scan(folder), 0.3)
    spec = job(data__uri=str(folder), data__require_review=0.3)
    assert reviewed and of_those_left(spec, reviewed, kept.samples[:8]).facts["share"] == 0.375
    with pytest.raises(DataInvalid, match=r"accepted 2 of 9 samples .* 1 more; review them .* --share 0\.45"):
        of_those_left(spec, reviewed, kept.samples[1:])
    (folder / "9.txt").unlink()
    kept, reviewed = ask(folder, scan(folder, captioner=True), 0.3)
    assert reviewed and of_those_left(spec, reviewed, kept.samples[1:]).accepted == 2  # the captioner has its turn yet
