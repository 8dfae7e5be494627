"""Applying a review: corrected texts in the data, rejected files out of the metadata, nothing else touched or lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from loraruner.data.clips import scan_clips
from loraruner.data.kinds import CLIPS, PICTURES
from loraruner.data.metadata import read_captions
from loraruner.data.pictures import scan_pictures
from loraruner.data.review import apply
from loraruner.data.review.apply import Applied, apply_review
from loraruner.data.review.record import Judged, judge, read_record
from loraruner.data.review.subjects import DataSet, subjects
from loraruner.data.review.verdicts import Verdict
from loraruner.errors import DataInvalid
from loraruner.files import write_bytes
from tests.support.pictures import write_pictures
from tests.support.recordings import burst, save
from tests.support.said import PICTURES as PICTURE_TASK
from tests.support.said import SPEECH, review, verdicts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures with a caption beside each."""
    write_pictures(tmp_path / "set", 4)
    return tmp_path / "set"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def captions(folder: Path) -> dict[str, str]:
    return {picture.id: picture.caption for picture in scan_pictures(folder, metadata=None).samples}


def test_captions_beside_the_pictures(folder: Path) -> None:
    """They come together in a metadata.csv that goes before them; the files beside stay as they are."""
    before = contents(folder)
    applied = review(folder, {"0.png": "=a neon fish", "1.png": True, "2.png": False})
    assert applied == Applied(2, 1, 1, 2 / 3, ("review.csv", "metadata.csv"))
    assert (folder / "metadata.csv").read_text() == "file_name,text\n0.png,=a neon fish\n1.png,neon picture 1\n" + (
        "3.png,neon picture 0\n"
    )
    assert captions(folder)["0.png"] == "=a neon fish"
    assert {name: data for name, data in contents(folder).items() if name in before} == before


def test_what_is_recorded(folder: Path) -> None:
    """The record holds what the samples are now: all that was judged counts, and old texts are kept."""
    review(folder, {"0.png": "a neon fish", "1.png": True, "2.png": False})
    record = read_record(folder)
    assert record and [(v.id, v.verdict, v.text, v.before) for v in record.verdicts] == [
        ("0.png", "accept", "a neon fish", "neon picture 0"),
        ("1.png", "accept", "", ""),
        ("2.png", "reject", "", "neon picture 2"),
    ]
    found = judge(scan_pictures(folder, metadata=None).samples, record)
    assert found == Judged(frozenset({"0.png", "1.png"}), frozenset({"2.png"}), (), 2 / 3)


def test_applying_twice(folder: Path) -> None:
    """The same file again, and the record itself, change nothing."""
    data = DataSet(folder, PICTURE_TASK)
    said = verdicts(data, {"0.png": "a neon fish", "1.png": True, "2.png": False})
    first = apply_review(data, said, "review.csv", into=folder)
    before = contents(folder)
    again = apply_review(data, said, "review.csv", into=folder)
    assert again == Applied(first.accepted, first.rejected, first.corrected, first.covered, ())
    record = read_record(folder)
    assert record and apply_review(data, record.verdicts, "review.csv", into=folder).written == ()
    assert contents(folder) == before


def test_a_metadata_file_with_further_columns(folder: Path) -> None:
    """Lines that nothing is said of stay byte for byte; corrected ones keep their other columns, rejected ones go."""
    head = '\ufeffartist,Caption,FILE,place\r\n"Ada ""A""",  x  y ,0.png,"1,2"\r\n'
    rest = 'B,"a\r\nb",1.png,\r\nC,one,2.png,"c\rd"\r\nbad line\r\n\r\n'
    rest += "D,two,./3.png,4\r\nD,again,3.png,5\r\nE,gone,9.png,\r\n"
    (folder / "metadata.csv").write_bytes((head + rest).encode())
    review(folder, {"2.png": 'say "hi", you', "3.png": False})
    expected = head + rest.replace("C,one,2.png", 'C,"say ""hi"", you",2.png')
    expected = expected.replace("D,two,./3.png,4\r\n", "").replace("D,again,3.png,5\r\n", "")
    assert (folder / "metadata.csv").read_bytes() == expected.encode()
    assert scan_pictures(folder, metadata=None).samples[2].caption == 'say "hi", you'


def test_a_metadata_file_without_a_header(folder: Path) -> None:
    """It stays without one; pictures that had their caption beside them are added, a last line gets its end."""
    (folder / "metadata.csv").write_text("0.png,zero\n1.png,one")
    review(folder, {"1.png": "uno", "2.png": "dos"})
    assert (folder / "metadata.csv").read_text() == "0.png,zero\n1.png,uno\n2.png,dos\n3.png,neon picture 0\n"


def test_json_lines_give_way_to_a_csv(tmp_path: Path) -> None:
    """With language and task of every clip; the .jsonl stays as it is and is no longer read."""
    lines = [
        {"audio": "0.wav", "text": "moin", "language": "de", "task": "transcribe"},
        {"audio": "1.wav", "text": "hello"},
        {"audio": "missing.wav", "text": "not there"},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for number in range(2):
        save(tmp_path / f"{number}.wav", burst(0.3, seed=number))
    review(tmp_path, {"1.wav": "hello there"}, SPEECH)
    assert (tmp_path / "metadata.csv").read_text() == (
        "file_name,text,language,task\n0.wav,moin,de,transcribe\n1.wav,hello there,,\nmissing.wav,not there,,\n"
    )
    clips = scan_clips(tmp_path, metadata=None, max_clip_s=30, split=True).samples
    assert [(c.transcript, c.language, c.whisper_task) for c in clips] == [
        ("moin", "de", "transcribe"),
        ("hello there", None, None),
    ]
    record = read_record(tmp_path)
    assert record and judge(clips, record).accepted == {"1.wav"}


def test_the_metadata_file_that_is_named(folder: Path) -> None:
    """A CSV that the job names is the one that is changed; its names count from its own folder."""
    (folder / "sub").mkdir()
    (folder / "0.png").rename(folder / "sub/0.png")
    (folder / "sub/list.csv").write_text("file,prompt\n0.png,zero\n")
    assert review(folder, {"sub/0.png": "null"}, metadata="sub/list.csv").written == ("review.csv", "sub/list.csv")
    assert (folder / "sub/list.csv").read_text() == "file,prompt\n0.png,null\n"
    with pytest.raises(DataInvalid, match=r"sub/list\.csv: can't name 1\.png, which is not below its folder"):
        review(folder, {"1.png": "one"}, metadata="sub/list.csv")


def test_another_metadata_csv_is_not_lost(folder: Path) -> None:
    """One that is there and not in use is not written over; the one that the first review made is the same again."""
    (folder / "mine.jsonl").write_text('{"file_name": "0.png", "text": "zero"}\n')
    assert review(folder, {"0.png": "null"}, metadata="mine.jsonl").written == ("review.csv", "metadata.csv")
    assert review(folder, {"0.png": "null"}, metadata="mine.jsonl").written == ()
    before = contents(folder)
    with pytest.raises(DataInvalid, match=r"metadata\.csv: is there already, and mine\.jsonl was reviewed"):
        review(folder, {"0.png": "nought"}, metadata="mine.jsonl")
    assert contents(folder) == before


def test_a_correction_that_comes_to_nothing(folder: Path) -> None:
    """Spaces alone are none."""
    assert review(folder, {"0.png": " neon  picture 0 "}) == Applied(1, 0, 0, 0.25, ("review.csv",))
    record = read_record(folder)
    assert record and (record.verdicts[0].text, record.verdicts[0].before) == ("", "")


def test_nothing_to_write_but_the_record(folder: Path) -> None:
    """Accepting alone, and rejecting pictures whose caption lies beside them, leaves the data alone."""
    assert review(folder, {"0.png": True, "1.png": False}).written == ("review.csv",)
    assert judge(subjects(DataSet(folder, PICTURE_TASK)), read_record(folder) or pytest.fail()).rejected == {"1.png"}


def test_names_that_macs_write(folder: Path) -> None:
    """A name on the disk in another Unicode form than in the metadata is the same name."""
    (folder / "0.png").rename(folder / "cafe\u0301.png")
    (folder / "metadata.csv").write_text("file_name,text\ncaf\u00e9.png,coffee\n")
    review(folder, {"cafe\u0301.png": "tea"})
    assert (folder / "metadata.csv").read_text().startswith("file_name,text\ncaf\u00e9.png,tea\n")
    assert captions(folder)["cafe\u0301.png"] == "tea"


@pytest.mark.parametrize("change", ["caption", "file", "gone"])
def test_what_changed_since_the_sheet(folder: Path, change: str) -> None:
    """65 names the samples that are not what was shown; nothing is written, of the others neither."""
    data = DataSet(folder, PICTURE_TASK)
    said = verdicts(data, {"0.png": "a fish", "1.png": False, "2.png": True})
    if change == "caption":
        (folder / "1.txt").write_text("another caption")
    else:
        (folder / "1.png").unlink()
        if change == "file":
            (folder / "1.png").write_bytes((folder / "3.png").read_bytes())
    before = contents(folder)
    with pytest.raises(DataInvalid, match=r"saved.csv: 1 of 3 samples are not what was shown .*: 1\.png; nothing was"):
        apply_review(data, said, "saved.csv", into=folder)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" \t", "0.png: its text is empty: reject it, or write one"),
        ("x" * 10_001, "0.png: has a caption of 10,001 characters"),
    ],
)
def test_corrections_that_no_scan_would_take(folder: Path, text: str, message: str) -> None:
    """An empty or overlong caption is refused before anything is written."""
    before = contents(folder)
    with pytest.raises(DataInvalid, match=message):
        review(folder, {"0.png": text})
    assert contents(folder) == before


def test_a_correction_that_somebody_edited_in_the_file(folder: Path) -> None:
    """Where ``before`` is not what was shown, a spreadsheet may have changed ``text`` as well."""
    data = DataSet(folder, PICTURE_TASK)
    (said,) = verdicts(data, {"0.png": "a fish"})
    changed = Verdict(said.id, said.digest, said.verdict, said.text, "neon picture")
    with pytest.raises(DataInvalid, match=r"0\.png: 'before' is not what was shown"):
        apply_review(data, [changed], "review.csv", into=folder)


def test_several_reviews(folder: Path) -> None:
    """They add up, the later word wins, and ``before`` keeps the oldest text."""
    review(folder, {"0.png": "first", "1.png": True})
    review(folder, {"0.png": "second", "1.png": False, "2.png": True})
    record = read_record(folder)
    assert record and [(v.id, v.verdict, v.text, v.before) for v in record.verdicts] == [
        ("0.png", "accept", "second", "neon picture 0"),
        ("1.png", "reject", "", "neon picture 1"),
        ("2.png", "accept", "", ""),
    ]
    review(folder, {"0.png": True})
    again = read_record(folder)
    assert again and again.verdicts[0] == record.verdicts[0]


def test_an_older_sheet_does_not_undo_a_newer_one(folder: Path) -> None:
    """What was shown on it is no longer there: 65."""
    data = DataSet(folder, PICTURE_TASK)
    older = verdicts(data, {"0.png": "first"})
    review(folder, {"0.png": "second"})
    with pytest.raises(DataInvalid, match=r"not what was shown on the sheet: 0\.png"):
        apply_review(data, older, "review.csv", into=folder)


def test_an_interrupted_application(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record comes first: a run that dies after it leaves the data as it was, and the same call does the rest."""
    (folder / "metadata.csv").write_text("file_name,text\n0.png,zero\n1.png,one\n")
    data = DataSet(folder, PICTURE_TASK)
    said = verdicts(data, {"0.png": "null", "1.png": False})
    calls = list[str]()

    def dying(path: Path, content: bytes) -> None:
        calls.append(path.name)
        if path.name == "metadata.csv":
            raise OSError("no power")
        write_bytes(path, content)

    monkeypatch.setattr(apply, "write_bytes", dying)
    with pytest.raises(OSError, match="no power"):
        apply_review(data, said, "review.csv", into=folder)
    assert calls == ["review.csv", "metadata.csv"]
    monkeypatch.undo()
    assert apply_review(data, said, "review.csv", into=folder).written == ("metadata.csv",)
    record = read_record(folder)
    assert record and [v.before for v in record.verdicts] == ["zero", "one"]
    assert (folder / "metadata.csv").read_text().startswith("file_name,text\n0.png,null\n2.png")


def test_into_another_folder(folder: Path, tmp_path: Path) -> None:
    """Only what changes is written there, and never over something else."""
    data, into = DataSet(folder, PICTURE_TASK), tmp_path / "out"
    said = verdicts(data, {"0.png": "a fish", "1.png": True})
    before = contents(folder)
    assert apply_review(data, said, "review.csv", into=into).written == ("review.csv", "metadata.csv")
    assert sorted(contents(into)) == ["metadata.csv", "review.csv"]
    assert apply_review(data, said, "review.csv", into=into).written == ()
    (into / "metadata.csv").write_text("another\n")
    with pytest.raises(DataInvalid, match=r"holds another metadata\.csv already; give an empty folder"):
        apply_review(data, said, "review.csv", into=into)
    assert contents(folder) == before


def test_a_folder_in_the_way(folder: Path) -> None:
    """A folder called metadata.csv is not removed for the file."""
    (folder / "metadata.csv").mkdir()
    (folder / "metadata.csv/precious.txt").write_text("x")
    with pytest.raises(DataInvalid, match=r"metadata\.csv: is a folder; move it away, nothing was written"):
        review(folder, {"0.png": "a fish"})
    assert (folder / "metadata.csv/precious.txt").exists() and not (folder / "review.csv").exists()


@pytest.mark.parametrize("kind", [PICTURES, CLIPS])
def test_whatever_is_written_is_read_back(tmp_path: Path, kind: Any) -> None:
    """Captions and transcripts with quotes, commas, marks and other scripts come back as they were typed."""
    suffix = kind.suffixes[0]
    texts = ['=1+1, "x"', "'quoted'", "ink, 墨 \u200d", "file_name", "a;b\tc", "#1", '"']
    for number, _ in enumerate(texts):
        (tmp_path / f"{number}{suffix}").write_bytes(bytes([number]))
        (tmp_path / f"{number}.txt").write_text("before")
    task = PICTURE_TASK if kind is PICTURES else SPEECH
    review(tmp_path, {f"{number}{suffix}": text for number, text in enumerate(texts)}, task)
    files = {path.name: path for path in tmp_path.iterdir()}
    found = read_captions(files, None, tmp_path, kind).by_file
    assert [found[f"{number}{suffix}"] for number, _ in enumerate(texts)] == [" ".join(text.split()) for text in texts]
