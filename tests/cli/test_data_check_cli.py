"""``loraruner data check`` as people use it: the report, its codes, its words."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from loraruner import stage
from loraruner.files import digest_file
from tests.support import web_server
from tests.support.pictures import write_pictures
from tests.support.recording_store import RecordingStore
from tests.support.recordings import burst, save
from tests.support.tiny_lm import byte_tokenizer
from tests.support.user import User, assert_refused, write_job
from tests.support.web_server import Page

SMALL = "data.quality.min_side=64"
FAIL = "data.quality.checks.near_duplicate=fail"


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six pictures of noise with captions; two are the same, one is damaged, one has no caption, one a vague one."""
    folder = tmp_path / "set"
    write_pictures(folder, 6, side=64)
    for number in range(6):
        (folder / f"{number}.txt").write_text(f"neon style, a sign with the number {number}")
    shutil.copy(folder / "0.png", folder / "1.png")
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:90])
    (folder / "3.txt").unlink()
    (folder / "4.txt").write_text("a photo")
    return folder


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [{"prompt": "Who is there?", "completion": "The captain."}] * 2
    lines += [{"prompt": "What does it say?", "completion": "one two three four five"}]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_the_report(user: User, pictures: Path) -> None:
    """One JSON object with counts, what follows, what each kind means, and every finding."""
    told = user.run("data", "check", pictures, overrides=[SMALL])
    assert told.code == 0
    report = told.result
    assert [key for key in report if key not in ("faults", "findings", "notes", "digest")] == [
        "source",
        "task",
        "samples",
        "clean",
        "license_files",
    ]
    assert (report["source"], report["task"]) == (str(pictures), "text-to-image")
    assert (report["samples"], report["clean"], report["license_files"]) == (6, 2, [])
    assert [(each["kind"], each["action"], each["count"]) for each in report["faults"]] == [
        ("near_duplicate", "warn", 1),
        ("no_caption", "skip", 1),
        ("short_caption", "warn", 1),
        ("unreadable", "skip", 1),
        ("vague_caption", "warn", 1),
    ]
    assert [(each["sample"], each["kind"]) for each in report["findings"]] == [
        ("1.png", "near_duplicate"),
        ("2.png", "unreadable"),
        ("3.png", "no_caption"),
        ("4.png", "short_caption"),
        ("4.png", "vague_caption"),
    ]
    assert all(each["detail"] for each in report["findings"])
    assert len(report["digest"]) == 64
    assert any("max_bad_fraction = 0.1" in note and "2 of 6 samples" in note for note in report["notes"])


def test_the_same_input_is_the_same_report(
    user: User, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte: run again, with another cache, from another folder, of a copy with other times."""
    reports = []
    for number in (1, 2):
        home = tmp_path / f"home{number}"
        shutil.copytree(pictures, home / "set")
        monkeypatch.chdir(home)
        monkeypatch.setenv("LORARUNER_CACHE", str(home / "cache"))
        for _ in range(2):
            told = user.run("data", "check", "set", "--output", "report.json", overrides=[SMALL])
            reports.append((told.code, told.out, (home / "report.json").read_bytes()))
    assert len(set(reports)) == 1
    assert json.loads(reports[0][1]) == json.loads(reports[0][2])


def test_what_must_not_be_there_is_65(user: User, pictures: Path, tmp_path: Path) -> None:
    """The report is printed and written all the same, and the last line says what and where."""
    out = tmp_path / "report.json"
    told = user.run("data", "check", pictures, "--output", out, overrides=[SMALL, FAIL])
    assert told.code == 65
    assert told.last == (
        "error 65 DATA_INVALID: $.data.quality: near_duplicate: 1 of 6 samples (1.png); mend or remove them, or set "
        "$.data.quality.checks.near_duplicate to skip or warn"
    )
    assert told.result == json.loads(out.read_text())
    assert told.result["faults"][0]["action"] == "fail"


def test_settings_are_checked_like_a_jobs(user: User, tmp_path: Path) -> None:
    """64 with the place and what was meant, before anything is looked for."""
    told = user.run(
        "data", "check", tmp_path / "nothing", "--task", "text-to-image", overrides=["data.quality.blured=1"]
    )
    assert told.code == 64 and "$.data.quality.blured: 1 is the value of an unknown key" in told.err
    told = user.run("data", "check", tmp_path, "--task", "text-to-image", overrides=["data.quality.checks.blured=fail"])
    assert told.code == 64 and "did you mean $.data.quality.checks.blurred?" in told.err
    told = user.run("data", "check", tmp_path, "--task", "text-generation", "--metadata", "x.csv")
    assert told.code == 64 and "has no meaning for text-generation" in told.err


def test_usage(user: User, pictures: Path) -> None:
    """2 for nothing to check, another task, and a report that would become part of the data."""
    assert user.run("data", "check").code == 2
    assert user.run("data", "check", pictures, "--task", "pictures").code == 2
    told = user.run("data", "check", pictures, "--output", pictures / "report.json")
    assert told.code == 2 and "lies in the data set" in told.err and not (pictures / "report.json").exists()


def test_sources_that_are_not_there(user: User, tmp_path: Path) -> None:
    """66 for no such folder, 65 for an empty one and for one that holds nothing to train on."""
    told = user.run("data", "check", tmp_path / "nothing")
    assert_refused(told, 66, "INPUT_MISSING", f"SOURCE: {tmp_path}/nothing does not exist")
    (tmp_path / "empty").mkdir()
    assert_refused(user.run("data", "check", tmp_path / "empty"), 65, "DATA_INVALID", "SOURCE: the folder", "is empty")
    (tmp_path / "empty/notes.md").write_text("nothing")
    told = user.run("data", "check", tmp_path / "empty")
    assert_refused(told, 65, "DATA_INVALID", "no pictures, clips or rows are there")
    told = user.run("data", "check", tmp_path / "empty", "--task", "text-to-image")
    assert_refused(told, 65, "DATA_INVALID", "nothing there is a sample of text-to-image")


def test_errors_without_a_job_name_the_options(user: User, pictures: Path) -> None:
    """A list that is not there is told as --metadata."""
    told = user.run("data", "check", pictures, "--metadata", "none.csv")
    assert_refused(told, 66, "INPUT_MISSING", "--metadata: no file 'none.csv'")
    told = user.run("data", "check", pictures / "0.png", "--task", "text-to-image")
    assert_refused(told, 65, "DATA_INVALID", "this is a file; SOURCE must name a folder")


def test_an_archive(user: User, pictures: Path, tmp_path: Path) -> None:
    """A zip is looked into; its digest is the archive's."""
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(pictures.iterdir()):
            archive.write(path, f"set/{path.name}")
    report = user.run("data", "check", tmp_path / "set.zip", overrides=[SMALL]).result
    assert report["samples"] == 6 and report["digest"] == digest_file(tmp_path / "set.zip").sha256


def test_a_store(user: User, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a store gives the report of the folder here, under its address."""
    here = user.run("data", "check", pictures, overrides=[SMALL]).result
    store = RecordingStore(pictures)
    monkeypatch.setattr(stage, "open_store", lambda uri, settings: store)
    there = user.run("data", "check", "s3://datasets/set", overrides=[SMALL]).result
    assert there == {**here, "source": "s3://datasets/set"}


def test_a_zip_behind_an_address(user: User, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetched over TLS and looked into; the signature in its address is told nowhere."""
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(rows, "set/rows.jsonl")
    certificate = web_server.make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("LORARUNER_ALLOWED_HOSTS", "localhost")
    with web_server.serve(certificate) as web:
        web.pages["/set.zip?X-Amz-Signature=abcdef0123"] = Page((tmp_path / "set.zip").read_bytes())
        told = user.run("data", "check", f"{web.url}/set.zip?X-Amz-Signature=abcdef0123")
    assert told.result["source"] == f"{web.url}/set.zip?X-Amz-Signature=[secret]"
    assert [each["sample"] for each in told.result["findings"]] == ["rows.jsonl:2"]
    assert "abcdef0123" not in told.out + told.err


def test_as_a_job_would(user: User, tmp_path: Path) -> None:
    """Its data, its resolution, its quality block; SOURCE, --metadata and --set replace parts of it."""
    job = write_job(tmp_path, data={"uri": str(tmp_path / "pictures"), "quality": {"checks": {"blurred": "off"}}})
    report = user.run("data", "check", "--job", job).result
    assert (report["source"], report["samples"]) == (str(tmp_path / "pictures"), 12)
    kinds = {each["kind"]: each["action"] for each in report["faults"]}
    assert kinds["too_small"] == "warn" and "blurred" not in kinds
    other = tmp_path / "other"
    write_pictures(other, 2, side=64)
    (other / "list.csv").write_text("file_name,text\n0.png,neon style: a sign\n")
    told = user.run("data", "check", other, "--job", job, "--metadata", "list.csv", overrides=["data.license=CC0-1.0"])
    assert (told.result["source"], told.result["samples"]) == (str(other), 2)
    assert not any("licence" in note for note in told.result["notes"])


def test_captions_are_counted_in_clips_tokens(user: User, pictures: Path) -> None:
    """Without a base too: the tokenizer of Stable Diffusion 1.x is at hand."""
    (pictures / "5.txt").write_text("neon style, a sign that says " + "word " * 80)
    findings = user.run("data", "check", pictures, overrides=[SMALL]).result["findings"]
    long = [each for each in findings if each["kind"] == "long_caption"]
    assert [each["sample"] for each in long] == ["5.png"] and "more than 75" in long[0]["detail"]


def test_answers_are_counted_by_the_tokenizer_that_is_named(user: User, rows: Path, tmp_path: Path) -> None:
    """With --tokenizer in tokens, up to ``options.max_length``; without it in words, which a note says."""
    report = user.run("data", "check", rows).result
    assert [each["kind"] for each in report["faults"]] == ["duplicate_row"]
    assert any("--tokenizer" in note for note in report["notes"])
    byte_tokenizer().save_pretrained(tmp_path / "tokenizer")
    told = user.run("data", "check", rows, "--tokenizer", tmp_path / "tokenizer", overrides=["options.max_length=20"])
    assert [(each["sample"], each["kind"]) for each in told.result["findings"]] == [
        ("rows.jsonl:2", "duplicate_row"),
        ("rows.jsonl:3", "long_answer"),
    ]
    assert not any("--tokenizer" in note for note in told.result["notes"])
    told = user.run("data", "check", rows, "--tokenizer", tmp_path / "nothing")
    assert_refused(told, 66, "INPUT_MISSING", f"--tokenizer: {tmp_path}/nothing does not exist")


def test_a_tokenizer_is_not_opened_in_vain(user: User, rows: Path, tmp_path: Path) -> None:
    """Where the check is off nothing is fetched for it."""
    told = user.run(
        "data", "check", rows, "--tokenizer", tmp_path / "nothing", overrides=["data.quality.checks.long_answer=off"]
    )
    assert told.code == 0


def test_clips(user: User, tmp_path: Path) -> None:
    """Recordings that can't be heard stand in the same report."""
    for name in ("a", "b"):
        save(tmp_path / f"clips/{name}.wav", burst(1.0, level=0.1 if name == "a" else 0.0))
        (tmp_path / f"clips/{name}.txt").write_text("one")
    report = user.run("data", "check", tmp_path / "clips").result
    assert (report["task"], report["samples"], report["clean"]) == ("automatic-speech-recognition", 2, 1)
    assert [(each["sample"], each["kind"]) for each in report["findings"]] == [("b.wav", "unreadable")]


def test_licence_files_are_listed(user: User, pictures: Path) -> None:
    """By their names in the data set."""
    (pictures / "LICENSE.txt").write_text("CC0")
    assert user.run("data", "check", pictures, overrides=[SMALL]).result["license_files"] == ["LICENSE.txt"]


def test_the_table(user: User, pictures: Path) -> None:
    """For people: facts, faults with their meaning, findings."""
    told = user.run("data", "check", pictures, "--format", "table", overrides=[SMALL])
    assert told.code == 0
    digest = user.run("data", "check", pictures, overrides=[SMALL]).result["digest"]
    assert digest in "".join(told.out.split()), "a digest cut short can't be compared"
    assert "samples           6" in told.out and "nothing found in  2" in told.out
    assert "near_duplicate" in told.out and "1.png" in told.out and "{" not in told.out


def test_a_long_table_says_where_the_rest_is(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty findings, and how to see all."""
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "rows.txt").write_text("The very same row.\n" * 31)
    told = user.run("data", "check", tmp_path / "rows.txt", "--format", "table")
    assert "rows.txt:21" in told.out and "rows.txt:22" not in told.out
    assert told.err.splitlines()[-1] == "10 more findings: --format json or --output FILE has all of them"


def test_a_frequent_fault_hides_no_other(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each kind the first findings stand in the table."""
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "rows.txt").write_text("The very same row.\n" * 40 + "Write to anna.berg@harbour-shop.de now.\n")
    told = user.run("data", "check", tmp_path / "rows.txt", "--format", "table")
    assert "rows.txt:11 " in told.out and "rows.txt:12 " not in told.out and "rows.txt:41 " in told.out
    assert told.err.splitlines()[-1].startswith("29 more findings")


def test_names_cannot_command_a_terminal(user: User, pictures: Path) -> None:
    """Control characters of a name in a list do not reach it."""
    (pictures / "metadata.csv").write_text("file_name,text\n\x1b[31m.png,a sign in red\n")
    told = user.run("data", "check", pictures, "--format", "table", overrides=[SMALL])
    assert told.code == 0 and "\x1b[31m" not in told.out


def test_an_output_that_cannot_be_written(user: User, pictures: Path, tmp_path: Path) -> None:
    """77 that names it; the report is printed before."""
    (tmp_path / "file").write_text("x")
    told = user.run("data", "check", pictures, "--output", tmp_path / "file/report.json", overrides=[SMALL])
    assert told.code == 77 and told.result["samples"] == 6
    assert "report.json: cannot be written" in told.last and "choose another --output" in told.last
