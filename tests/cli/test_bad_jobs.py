"""Jobs that cannot be run as they are written: each is refused in one sentence, before anything is made."""

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.user import Told, User, assert_nothing_visible, assert_refused, write_job


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return write_job(tmp_path)


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


def assert_faults(told: Told, *lines: str) -> None:
    """64, the fault lines as given, and their number in the last line."""
    assert (told.code, told.out) == (64, "")
    noun = "fault" if len(lines) == 1 else "faults"
    assert told.err.splitlines() == [*lines, f"error 64 SPEC_INVALID: {len(lines)} {noun} in the job"]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("trianing={}", "$.trianing: an object is the value of an unknown key; did you mean $.training?"),
        ("lora.rnak=3", "$.lora.rnak: 3 is the value of an unknown key; did you mean $.lora.rank?"),
        (
            "training.max_steps=ten",
            '$.training.max_steps: "ten" is not of type integer; give a whole number, e.g. 1000',
        ),
        ("training.epochs=3", "$.training.max_steps: 4 is given beside epochs; remove one of the two"),
        ("lora.rank=0", "$.lora.rank: 0 is less than the minimum 1; give 1 to 1024"),
        ("nonsense", '$: "nonsense" is no override; write --set training.epochs=3'),
        ("=3", '$: "=3" is no override; write --set training.epochs=3'),
        ("a..b=3", '$: "a..b=3" is no override; write --set training.epochs=3'),
        (
            "lora.rank.x=3",
            "$.lora.rank.x: 2 is what $.lora.rank holds; set that key as a whole",
        ),
        ("sampling.prompts=[1", '$.sampling.prompts: "[1" is not of type array; give a list'),
        (
            "output.uri=https://127.0.0.1/x",
            '$.output.uri: "https://127.0.0.1/x" has the scheme https, which can only be read; '
            "use s3://, file:// or a path",
        ),
    ],
)
def test_a_fault_in_the_job_is_named_with_its_fix(
    job: Path, user: User, tmp_path: Path, override: str, line: str
) -> None:
    """64 before a store or a path is touched: JSON path, value, what to do."""
    assert_faults(user.train(job, override), line)
    assert not (tmp_path / "out").exists() and not (tmp_path / "work").exists()


def test_results_never_become_input(job: Path, user: User, tmp_path: Path) -> None:
    """An output in the folder of an input is refused."""
    told = user.train(job, f"output.uri={tmp_path / 'pictures'}")
    assert told.code == 64 and "lies in the input $.data.uri; give a place of its own" in told.err


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", ("$: is empty; write one JSON object",)),
        (b'{"a": 1, "a": NaN}', ("$.a: is given twice; keep one of them", "$.a: NaN is no JSON number")),
        (b"[" * 100, ("$: is nested deeper than 32 levels",)),
    ],
)
def test_hostile_json_from_stdin(
    user: User, monkeypatch: pytest.MonkeyPatch, data: bytes, lines: tuple[str, ...]
) -> None:
    """A job read from stdin is checked like any other."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    told = user.run("train", "-")
    assert told.code == 64 and told.out == ""
    assert len(told.err.splitlines()) == len(lines) + 1
    for line, start in zip(told.err.splitlines(), lines, strict=False):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("absent.json", "there is no such file; give a job's path, its URI, or - for stdin"),
        ("", "this is a folder; give the JSON file inside it"),
        ("job.json/x", "there is no such file"),
        ("x" * 300, "cannot be read (File name too long)"),
    ],
)
def test_a_job_that_is_no_file(job: Path, user: User, name: str, part: str) -> None:
    """66 with the path that was given."""
    assert_refused(user.train(job.parent / name), 66, "INPUT_MISSING", str(job.parent), part)


@pytest.mark.parametrize(
    ("uri", "code", "name", "part"),
    [
        ("ftp://host/job.json", 64, "SPEC_INVALID", "unknown store scheme 'ftp'; use one of"),
        ("s3://bucket/job.json", 77, "NO_PERMISSION", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_a_job_at_an_unusable_uri(user: User, uri: str, code: int, name: str, part: str) -> None:
    """The store's own sentence, whatever stands there."""
    assert_refused(user.run("train", uri), code, name, uri, part)


@pytest.mark.parametrize("run_id", ["../../x", "a/b", ".hidden", "x" * 129])
def test_a_run_id_that_is_no_name(job: Path, user: User, tmp_path: Path, run_id: str) -> None:
    """A run id cannot lead out of the workspace or the output."""
    assert_refused(user.run("train", job, "--run-id", run_id), 64, "SPEC_INVALID", "--run-id", repr(run_id))
    assert_nothing_visible(tmp_path / "out")
    assert not (tmp_path / "out" / "tiny" / "runs").exists()


@pytest.mark.parametrize("variable", ["LORARUNER_CACHE", "LORARUNER_WORKDIR"])
def test_an_unusable_folder_of_the_operator(
    job: Path, user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """77 that names the variable, before the output is touched."""
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "file" / "below"))
    assert_refused(user.train(job), 77, "NO_PERMISSION", f"{variable}: {tmp_path}/file/below cannot be written")
    assert not (tmp_path / "out").exists()


def test_an_unusable_termination_log(job: Path, user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the end cannot be noted, the exit code is the same and one line says so."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("LORARUNER_TERMINATION_LOG", str(tmp_path / "file" / "below"))
    told = user.run("validate", job)
    assert told.code == 0 and told.result["valid"]
    assert user.train(job, "lora.rank=0").code == 64


def test_secrets_stay_out_of_error_text(job: Path, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential that an address carries is struck from the last line."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    told = user.train(job.parent / f"planted-secret-{os.getpid()}.json")
    assert_refused(told, 66, "INPUT_MISSING", "[secret]")
    assert "planted-secret" not in told.err
