"""Two attempts of one run: one writes, the other ends with 76 and has written nothing."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from loraruner import settings
from loraruner.stores import open_store
from loraruner.stores.base import Store
from tests.support.shown import faults
from tests.support.user import ROOT, Told, assert_refused, write_job

LIMIT_S = 120
JOB = ("sampling.prompts=[]", "training.max_steps=20", "checkpoint.every_steps=5", "lora.dropout=0.1")
pytestmark = pytest.mark.slow


@dataclass
class Rivals:
    """Attempts at one job, at the same time, each with a workspace of its own; killed at the end."""

    job: Path
    output: str
    running: list["subprocess.Popen[str]"] = field(default_factory=list)

    def start(self, *overrides: str) -> "subprocess.Popen[str]":
        scratch = self.job.parent / f"rival-{len(self.running) + 1}"
        own = {"LORARUNER_WORKDIR": str(scratch), "LORARUNER_CACHE": str(scratch / "cache")}
        given = [part for each in (*JOB, f"output.uri={self.output}", *overrides) for part in ("--set", each)]
        command = [sys.executable, "-m", "loraruner", "train", str(self.job), *given]
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.running.append(process)
        return process

    @property
    def store(self) -> Store:
        return open_store(f"{self.output}/tiny", settings.load())

    def wait_for_checkpoint(self, attempt: int) -> None:
        """Return when the attempt has trained so far that it has committed one."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            if any(f"/checkpoints/e{attempt:04d}-" in info.key for info in self.store.list("runs/")):
                return
            time.sleep(0.05)
        raise AssertionError(f"attempt {attempt} has no checkpoint")

    def shown(self) -> dict[str, tuple[int, str]]:
        """Every object with its size and ETag."""
        return {info.key: (info.size_bytes, info.etag) for info in self.store.list()}


def told(process: "subprocess.Popen[str]") -> Told:
    """What it said, once it has ended."""
    out, err = process.communicate(timeout=LIMIT_S)
    return Told(process.returncode, out, err)


@pytest.fixture(params=["file", "s3"])
def rivals(
    request: pytest.FixtureRequest, tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rivals]:
    """On the disk and on a real S3 server; the lease is short."""
    monkeypatch.setenv("LORARUNER_LEASE_S", "2")
    output = str(tmp_path / "out")
    if request.param == "s3":
        server: ModuleType = request.getfixturevalue("seaweedfs")
        bucket = request.getfixturevalue("bucket")
        for name, value in server.environment(request.getfixturevalue("endpoint")).items():
            monkeypatch.setenv(name, value)
        output = f"s3://{bucket}/{secrets.token_hex(4)}"
    made = Rivals(write_job(tmp_path, tiny_base), output)
    yield made
    for process in made.running:
        process.kill()
        process.communicate()


def test_an_attempt_that_froze_is_fenced(rivals: Rivals) -> None:
    """A frozen attempt is taken over; when it wakes up it ends with 76, and nothing in the store has changed by it."""
    frozen = rivals.start()
    rivals.wait_for_checkpoint(1)
    frozen.send_signal(signal.SIGSTOP)
    second = rivals.start()
    rivals.wait_for_checkpoint(2)
    second.send_signal(signal.SIGSTOP)  # held still, so that every change is the first one's
    before = rivals.shown()
    frozen.send_signal(signal.SIGCONT)
    fenced = told(frozen)
    assert_refused(fenced, 76, "FENCED", "attempt 2", "owns this run now: attempt 1 ends without writing anything more")
    assert rivals.shown() == before
    second.send_signal(signal.SIGCONT)
    done = told(second)
    assert done.code == 0 and done.result["attempts"] == 2, done.err
    assert faults(f"{rivals.output}/tiny") == []


def test_a_second_attempt_beside_a_living_one(rivals: Rivals) -> None:
    """It waits one lease time, ends with 76, and has written nothing; the first one goes on."""
    long = "training.max_steps=100000"
    first = rivals.start(long)
    rivals.wait_for_checkpoint(1)
    second = told(rivals.start(long))
    assert_refused(second, 76, "FENCED", "belongs to attempt 1", "which is alive")
    assert not any("attempt-2" in key or "e0002" in key for key in rivals.shown())
    first.send_signal(signal.SIGTERM)
    assert_refused(told(first), 85, "PREEMPTED", "all committed work is kept")
    assert faults(f"{rivals.output}/tiny") == []


def test_the_next_attempt_after_a_kill(rivals: Rivals, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same machine it does not wait for the lease, however long that is; 82 when the attempts are used up."""
    monkeypatch.setenv("LORARUNER_LEASE_S", "3600")
    monkeypatch.setenv("LORARUNER_MAX_ATTEMPTS", "2")
    termination = rivals.job.parent / "termination"
    monkeypatch.setenv("LORARUNER_TERMINATION_LOG", str(termination))
    for attempt in (1, 2):
        process = rivals.start()
        rivals.wait_for_checkpoint(attempt)
        process.kill()
        assert told(process).code == -signal.SIGKILL
    last = told(rivals.start())
    assert_refused(last, 82, "EXHAUSTED", "used up its 2 attempts", "LORARUNER_MAX_ATTEMPTS", "--fresh")
    assert json.loads(termination.read_text())["code"] == 82
    monkeypatch.setenv("LORARUNER_MAX_ATTEMPTS", "3")
    done = told(rivals.start())
    assert done.code == 0 and done.result["attempts"] == 3, done.err
