"""``loraruner data review`` that is stopped while it writes."""

import os
import signal
from pathlib import Path

import pytest

from loraruner.cli import run
from loraruner.data.review import apply, sheet
from loraruner.data.review.record import content_digest
from loraruner.data.review.verdicts import ACCEPT, Verdict, render
from loraruner.data.rows import scan_rows


def stop_at_the_second(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
    """SIGTERM when something is called for the second time."""
    real, calls = getattr(module, name), []

    def counted(*given: object) -> object:
        calls.append(given)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*given)

    monkeypatch.setattr(module, name, counted)


def write_rows(folder: Path) -> None:
    folder.mkdir()
    (folder / "rows.txt").write_text("".join(f"row number {number}\n" for number in range(4)))


def test_a_sheet_that_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """85, one sentence, and no part of a sheet; what SIGTERM does is as before."""
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "set")
    before = signal.getsignal(signal.SIGTERM)
    stop_at_the_second(monkeypatch, sheet, "card")
    assert run(["data", "review", "set", "--share", "1"]) == 85
    assert "SIGTERM received: the sheet was not finished; run the same command" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if "review" in path.name] == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_applying_that_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """85 between record and data; the same command again does the rest."""
    write_rows(tmp_path / "set")
    row = scan_rows(tmp_path / "set").samples[1]
    verdict = Verdict(row.id, content_digest(row), ACCEPT, "a better row", row.text)
    (tmp_path / "saved.csv").write_bytes(render([verdict]))
    command = ["data", "review", str(tmp_path / "set"), "--apply", str(tmp_path / "saved.csv")]
    with monkeypatch.context() as patched:
        stop_at_the_second(patched, apply, "write_bytes")
        assert run(command) == 85
    assert "the review was not applied to its end; run the same command again" in capsys.readouterr().err
    assert "a better row" not in (tmp_path / "set/rows.txt").read_text()
    assert run(command) == 0
    assert (tmp_path / "set/rows.txt").read_text().splitlines()[1] == "a better row"
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["review.csv", "rows.txt"]
