"""The one line that Kubernetes reads."""

import json
from pathlib import Path

import pytest

from loraruner.cli.termination import note

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
