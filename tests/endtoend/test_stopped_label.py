"""``data label`` killed, stopped and continued in processes of their own, and trained on afterwards."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_captioners import save_pictures, write_tiny_git
from tests.support.user import ROOT, Told, User, assert_refused, write_job

NUM_PICTURES, BATCH_SIZE = 7, 2


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Seven pictures, and a captioner beside them."""
    save_pictures(tmp_path / "pictures", NUM_PICTURES)
    write_tiny_git(tmp_path / "git")
    return tmp_path / "pictures"


def run(source: Path, moment: str, cache: str, *more: str) -> Told:
    """One process to which something happens; its cache and its output are named ``cache``."""
    folder = source.parent
    output = folder / f"{cache}.csv"
    told = ["--model", str(folder / "git"), "--output", str(output), "--batch-size", str(BATCH_SIZE), *more]
    command = [sys.executable, "-m", "tests.support.stopped_label", moment, "data", "label", str(source), *told]
    environment = os.environ | {"LORARUNER_CACHE": str(folder / cache)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    return Told(done.returncode, done.stdout, done.stderr)


def captioned(source: Path, cache: str) -> Counter[str]:
    """How often each picture was captioned, by what the journal holds."""
    lines = [line for path in (source.parent / cache / "captions").iterdir() for line in path.read_text().splitlines()]
    return Counter(record["sha256"] for line in lines if (record := whole(line)))


def whole(line: str) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["kill", "torn"])
def test_killed_again_and_again(source: Path, moment: str) -> None:
    """Killed after each batch, or in the middle of a line, it goes on; no picture twice, and the same file."""
    assert run(source, "never", "straight").code == 0
    for number in (1, 2, 3):
        died = run(source, f"{moment} 1", "killed")
        assert (died.code, died.out) == (-signal.SIGKILL, "")
        assert not (source.parent / "killed.csv").exists()
        assert len(captioned(source, "killed")) == number * BATCH_SIZE
    done = run(source, "never", "killed")
    assert done.code == 0, done.err
    assert captioned(source, "killed") == captioned(source, "straight")
    assert set(captioned(source, "killed").values()) == {1} and done.result["captioned"] == NUM_PICTURES
    assert (source.parent / "killed.csv").read_bytes() == (source.parent / "straight.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "name"), [("term 2", "SIGTERM"), ("int 2", "SIGINT"), ("import", "SIGTERM")])
def test_stopped_in_order(source: Path, moment: str, name: str) -> None:
    """Both signals end it with 85 and the way on, also while libraries load; the same command goes on."""
    stopped = run(source, moment, "stopped")
    words = f"{name} received: what the captioner said is kept; give the same command again to go on"
    assert_refused(stopped, 85, "PREEMPTED", words)
    assert not (source.parent / "stopped.csv").exists()
    assert run(source, "never", "stopped").code == 0
    assert set(captioned(source, "stopped").values()) == {1} and len(captioned(source, "stopped")) == NUM_PICTURES


@pytest.mark.slow
def test_another_template_after_a_kill(source: Path) -> None:
    """What was said before the kill is used under another template: only the rest is captioned."""
    run(source, "kill 2", "killed")
    done = run(source, "never", "killed", "--template", "ink of {caption}", "--prefix", "zxy")
    assert done.code == 0, done.err
    assert set(captioned(source, "killed").values()) == {1}
    lines = (source.parent / "killed.csv").read_text().splitlines()[1:]
    assert len(lines) == NUM_PICTURES and all('"zxy, ink of ' in line for line in lines)


@pytest.mark.slow
def test_trained_afterwards(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job on the folder finds the captions that were written into it, and skips no picture."""
    user = User(capsys)
    told = user.run("data", "label", source, "--model", tmp_path / "git", "--output", source / "metadata.csv")
    assert told.code == 0, told.err
    job = write_job(tmp_path / "job", data={"uri": str(source)})
    done = user.train(job, "training.max_steps=1")
    assert done.code == 0, done.err
    manifest = json.loads(next((tmp_path / "job/out").glob("tiny/versions/1/manifest.json")).read_text())
    assert manifest["data"]["skipped"] == []
