"""``loraruner data review``: a sheet, and a saved review applied to a folder, a bucket or elsewhere."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from loraruner import stage
from loraruner.cli import review_place, run
from loraruner.data.review.record import content_digest, judge, read_record
from loraruner.data.review.verdicts import Verdict, render
from loraruner.data.rows import scan_rows
from tests.support.pictures import write_pictures
from tests.support.recording_store import RecordingStore
from tests.support.recordings import save, speech

BUCKET = "s3://data/set"


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of ten rows; the command runs beside it."""
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "set")
    return tmp_path / "set"


def write_rows(folder: Path) -> None:
    folder.mkdir()
    lines = [{"prompt": f"question {number}", "completion": f"answer {number}"} for number in range(10)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def save_review(path: Path, folder: Path, **said: str) -> None:
    """``_3="reject"`` rejects row 3, another text than a verdict corrects it."""
    found = {row.id: row for row in scan_rows(folder).samples}
    lines = []
    for name, word in said.items():
        row = found[f"rows.jsonl:{name[1:]}"]
        plain = word in ("accept", "reject")
        texts = ("", "") if plain else (word, row.text)
        lines.append(Verdict(row.id, content_digest(row), word if plain else "accept", *texts))
    path.write_bytes(render(lines))


def result(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert isinstance(found, dict)
    return found, err


def test_a_sheet(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object with what is on it, and on stderr what it weighs and how it goes on."""
    assert run(["data", "review", "set"]) == 0
    found, err = result(capsys)
    size = (tmp_path / "review.html").stat().st_size
    assert found == {
        "task": "text-generation",
        "samples": 10,
        "shown": 3,
        "share": 0.3,
        "output": "review.html",
        "size_bytes": size,
    }
    assert f"review.html: 3 of 10 samples, {size / 1e3:.0f} kB" in err
    assert "then: loraruner data review set --apply review.csv" in err
    assert sorted(path.name for path in rows.iterdir()) == ["rows.jsonl"]


def test_share_and_seed(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another seed shows other samples, the same the same; a larger share more."""
    for name, arguments in {"a": [], "b": ["--seed", "0"], "c": ["--seed", "1"], "d": ["--share", "0.9"]}.items():
        assert run(["data", "review", "set", "--output", f"{name}.html", *arguments]) == 0
    pages = {name: (tmp_path / f"{name}.html").read_bytes() for name in "abcd"}
    assert pages["a"] == pages["b"] != pages["c"]
    assert '"shown": 9' in capsys.readouterr().out.splitlines()[-1]


def test_what_check_finds_stands_on_the_sheet(rows: Path, tmp_path: Path) -> None:
    """As ``data check`` finds it, and with a job as that one's checks say."""
    (rows / "rows.jsonl").write_text('{"text": "write to anna.meier@gmail.com"}\n' * 2)
    assert run(["data", "review", "set", "--share", "1"]) == 0
    page = (tmp_path / "review.html").read_text()
    assert (page.count("<b>personal data</b>"), page.count("<b>duplicate row</b>")) == (2, 1)
    job = {
        "name": "n",
        "task": "text-generation",
        "model": {"base": str(tmp_path / "base")},
        "data": {"uri": "elsewhere", "quality": {"checks": {"duplicate_row": "off", "long_answer": "off"}}},
        "output": {"uri": "out"},
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert run(["data", "review", "set", "--share", "1", "--job", "job.json"]) == 0
    page = (tmp_path / "review.html").read_text()
    assert (page.count("<b>personal data</b>"), page.count("<b>duplicate row</b>")) == (2, 0)


def test_pictures_and_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a folder holds is told by its files; what can't be used is counted and not shown."""
    write_pictures(tmp_path / "pictures", 2)
    (tmp_path / "pictures/1.png").write_bytes(b"broken")
    save(tmp_path / "clips/0.wav", speech([0.5]))
    (tmp_path / "clips/0.txt").write_text("moin")
    for folder, task in (("pictures", "text-to-image"), ("clips", "automatic-speech-recognition")):
        output = tmp_path / f"{folder}.html"
        assert run(["data", "review", str(tmp_path / folder), "--share", "1", "--output", str(output)]) == 0
        found, _ = result(capsys)
        assert (found["task"], found["samples"], found["shown"]) == (task, 1, 1)
    assert "1 more can&#x27;t be used" in (tmp_path / "pictures.html").read_text()
    assert "data:image/webp" in (tmp_path / "pictures.html").read_text()
    assert "data:audio/mpeg" in (tmp_path / "clips.html").read_text()


def test_applying(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Written into the folder itself; the same again writes nothing; then the sheet begins with what was said."""
    save_review(tmp_path / "saved.csv", rows, _1="accept", _2="a better answer", _3="reject")
    assert run(["data", "review", "set", "--apply", "saved.csv"]) == 0
    found, err = result(capsys)
    assert found == {
        "task": "text-generation",
        "accepted": 2,
        "corrected": 1,
        "rejected": 1,
        "covered": round(2 / 9, 4),
        "output": "set",
        "written": ["review.csv", "rows.jsonl"],
    }
    assert "2 accepted, 1 of them corrected, 1 rejected; 22.2 % of the samples that stay are accepted" in err
    record = read_record(rows)
    assert record and judge(scan_rows(rows).samples, record).rejected == {"rows.jsonl:3"}
    assert scan_rows(rows).samples[1].text == "a better answer"
    assert run(["data", "review", "set", "--apply", "saved.csv"]) == 0
    found, err = result(capsys)
    assert found["written"] == [] and "was applied before: nothing was written" in err
    assert run(["data", "review", "set", "--share", "1"]) == 0
    assert '"verdict":"reject"' in (tmp_path / "review.html").read_text()


def test_a_changed_sample(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """65, one line that names it, and nothing is written."""
    save_review(tmp_path / "saved.csv", rows, _1="accept", _2="reject")
    text = (rows / "rows.jsonl").read_text().replace("answer 1", "another answer")
    (rows / "rows.jsonl").write_text(text)
    assert run(["data", "review", "set", "--apply", "saved.csv"]) == 65
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert err.startswith("error 65 DATA_INVALID: saved.csv: 1 of 2 samples are not what was shown on the sheet: rows")
    assert not (rows / "review.csv").exists()


@pytest.mark.parametrize("kind", ["archive", "file"])
def test_what_cannot_be_written_in_place(
    rows: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive and a single file need a folder for the outcome; in it the review is complete."""
    save_review(tmp_path / "saved.csv", rows, _1="accept", _2="a better answer")
    source = "set/rows.jsonl"
    if kind == "archive":
        source = "set.tar"
        with tarfile.open(tmp_path / source, "w") as archive:
            archive.add(rows, "set")
    assert run(["data", "review", source, "--apply", "saved.csv"]) == 2
    why = "is an archive" if kind == "archive" else "is one file, and a review lies beside the rows"
    assert f"{source} {why}: name a folder for the outcome with --output" in capsys.readouterr().err
    assert run(["data", "review", source, "--apply", "saved.csv", "--output", "out"]) == 0
    found, err = result(capsys)
    assert found["written"] == ["review.csv", "rows.jsonl"] and found["output"] == "out"
    assert "the data set is not changed: put what is in out into it" in err
    record = read_record(tmp_path / "out")
    assert record and len(judge(scan_rows(tmp_path / "out").samples, record).accepted) == 2


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordingStore:
    """A bucket with ten rows at BUCKET."""
    write_rows(tmp_path / "bucket")
    monkeypatch.chdir(tmp_path)
    store = RecordingStore(tmp_path / "bucket")
    for module in (stage, review_place):
        monkeypatch.setattr(module, "open_store", lambda uri, settings: store)
    return store


def test_a_bucket(bucket: RecordingStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The record is written straight into it; corrected rows are not, and nothing is written then."""
    save_review(tmp_path / "saved.csv", tmp_path / "bucket", _1="accept", _2="reject")
    assert run(["data", "review", BUCKET, "--apply", "saved.csv"]) == 0
    assert result(capsys)[0]["written"] == ["review.csv"]
    assert run(["data", "review", BUCKET, "--apply", "saved.csv"]) == 0
    assert result(capsys)[0]["written"] == []
    assert bucket.done("write") == ["review.csv"]
    assert read_record(tmp_path / "bucket") is not None
    save_review(tmp_path / "saved.csv", tmp_path / "bucket", _3="a better answer")
    before = (tmp_path / "bucket/review.csv").read_bytes()
    assert run(["data", "review", BUCKET, "--apply", "saved.csv"]) == 2
    assert "corrected rows are not written into a bucket: name a folder with --output" in capsys.readouterr().err
    assert (tmp_path / "bucket/review.csv").read_bytes() == before


def test_captions_in_a_bucket(bucket: RecordingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record first, then the metadata file, and both only over what was read: somebody else's change is not lost."""
    folder = tmp_path / "bucket"
    (folder / "rows.jsonl").unlink()
    save(folder / "0.wav", speech([0.5]))
    save(folder / "1.wav", speech([0.6]))
    (folder / "metadata.csv").write_text("file_name,text\n0.wav,moin\n1.wav,hello\n")
    page = tmp_path / "review.html"
    assert run(["data", "review", BUCKET, "--share", "1"]) == 0
    digests = [part.split('"')[0] for part in page.read_text().split('"digest":"')[1:]]
    lines = [Verdict("0.wav", digests[0], "accept", "moin moin", "moin"), Verdict("1.wav", digests[1], "reject")]
    (tmp_path / "saved.csv").write_bytes(render(lines))

    def meddling(key: str, data: bytes, **conditions: Any) -> str:
        (folder / "metadata.csv").write_text("file_name,text\n0.wav,changed meanwhile\n")
        return write(key, data, **conditions)

    write = bucket.write
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "write", meddling)
        assert run(["data", "review", BUCKET, "--apply", "saved.csv"]) == 65
    assert (folder / "metadata.csv").read_text() == "file_name,text\n0.wav,changed meanwhile\n"
    (folder / "metadata.csv").write_text("file_name,text\n0.wav,moin\n1.wav,hello\n")
    assert run(["data", "review", BUCKET, "--apply", "saved.csv"]) == 0
    assert (folder / "metadata.csv").read_text() == "file_name,text\n0.wav,moin moin\n"
    assert bucket.done("write") == ["review.csv", "metadata.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["set", "--share", "0"], 2, "0 is not in the range 0<x<=1"),
        (["set", "--share", "nan"], 2, "--share nan is no number from 0 to 1"),
        (["set", "--output", "sheet.csv"], 2, "a sheet is an .html file; name one"),
        (["set", "--output", "folder.html"], 2, "a sheet is an .html file; name one"),
        (["set", "--output", "set/review.html"], 2, "lies in the data set and would become part of it"),
        (["set", "--apply", "saved.csv", "--share", "0.5"], 2, "--share and --seed make a sheet"),
        (["set", "--apply", "saved.csv", "--output", "saved.csv"], 2, "with --apply this is a folder; name one"),
        (["set", "--apply", "nothing.csv"], 66, "nothing.csv: there is no such file; give the review.csv that"),
        (["set", "--apply", "saved.csv"], 65, "saved.csv: nothing is judged in it"),
        (["set", "--apply", "set/rows.jsonl"], 65, "rows.jsonl:1: the header"),
        (["nothing"], 66, "nothing"),
        (["empty"], 65, "empty"),
        (["set", "--metadata", "list.csv", "--task", "text-to-image"], 66, "--metadata: no file 'list.csv'"),
    ],
)
def test_refusals(
    rows: Path, tmp_path: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its exit code and one sentence that says what to do; no sheet is left behind."""
    (tmp_path / "saved.csv").write_bytes(render([]))
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "empty").mkdir()
    assert run(["data", "review", *arguments]) == code
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "review.html").exists() and not (rows / "review.html").exists()


def test_a_heavy_page(rows: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is heavy for a browser is written, and a lighter share is named."""
    monkeypatch.setattr("loraruner.cli.data_review.HEAVY_BYTES", 1000)
    assert run(["data", "review", "set"]) == 0
    assert "that is heavy for a browser: with --share 0.0" in capsys.readouterr().err


def test_a_signed_address(rows: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature of an address is in no message and not on the page."""
    address = "https://host/set/rows.jsonl?X-Amz-Signature=sesame"
    listed = stage.list_input
    monkeypatch.setattr(stage, "list_input", lambda pointer, uri, settings: listed(pointer, str(rows), settings))
    assert run(["data", "review", address]) == 0
    out, err = capsys.readouterr()
    assert "sesame" not in out + err + Path("review.html").read_text()
    assert "<h1>rows.jsonl</h1>" in Path("review.html").read_text()
