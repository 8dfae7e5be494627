"""The one line that Kubernetes reads."""

import json
from pathlib import Path

import pytest

from loraruner.cli.termination import note
from tests.support.user import User, assert_refused

SECRET = "planted-secret-0123456789"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LORARUNER_TERMINATION_LOG", str(tmp_path / "termination"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return tmp_path / "termination"


def test_code_name_and_reason(file: Path) -> None:
    """One line of JSON without secrets; the code is handed on."""
    assert note(74, f"differs:\n  {SECRET} at https://a:b@host/") == 74
    assert json.loads(file.read_text()) == {
        "code": 74,
        "name": "INTEGRITY",
        "reason": "differs: [secret] at https://[secret]@host/",
    }
    assert file.read_text().count("\n") == 1


@pytest.mark.parametrize("letter", ["x", '"', "ä", "\N{BROKEN HEART}", "\udc80"])
def test_it_stays_below_four_kib(file: Path, letter: str) -> None:
    """Whatever the letters are, also those of a file name that is no UTF-8."""
    note(65, letter * 10_000)
    assert 100 < len(file.read_bytes()) < 4096
    assert json.loads(file.read_bytes())["name"] == "DATA_INVALID"


def test_unless_asked_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable no file appears."""
    monkeypatch.delenv("LORARUNER_TERMINATION_LOG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert note(0, "done") == 0
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the run ended counts more than who reads it: the code stays."""
    monkeypatch.setenv("LORARUNER_TERMINATION_LOG", str(tmp_path))
    assert note(85, "stopped") == 85


def test_the_error_is_the_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file cannot be written, which is warned of before it."""
    monkeypatch.setenv("LORARUNER_TERMINATION_LOG", str(tmp_path / "gone/log"))
    told = User(capsys).run("train", str(tmp_path / "job.json"))
    warning, error = told.err.splitlines()
    assert "gone/log cannot be written (No such file or directory)" in warning
    assert error.startswith("error 66 INPUT_MISSING: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [("LORARUNER_LEASE_S", "soon"), ("LORARUNER_MAX_ATTEMPTS", "0"), ("LORARUNER_REQUIRE_DIGESTS", "perhaps")],
)
@pytest.mark.parametrize("command", [("validate", "JOB"), ("train", "JOB"), ("doctor",), ("registry", "list", "x")])
def test_a_variable_that_is_refused(
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    command: tuple[str, ...],
) -> None:
    """78 and one sentence on stderr and in the file, from every command that reads the settings."""
    job = tmp_path / "job.json"
    places = {"base": "b"}, {"uri": "d"}, {"uri": "o"}
    named = dict(zip(("model", "data", "output"), places, strict=True))
    job.write_text(json.dumps({"name": "n", "task": "text-generation", **named}))
    monkeypatch.setenv(name, value)
    told = User(capsys).run(*(str(job) if word == "JOB" else word for word in command))
    assert_refused(told, 78, "ENVIRONMENT", f"{name}: '{value}'")
    assert json.loads(file.read_text())["code"] == 78 and name in json.loads(file.read_text())["reason"]
