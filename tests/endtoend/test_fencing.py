"""Two attempts of one run: one writes, the other ends with 76 and has written nothing."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from loraruner import settings
from loraruner.stores import open_store
from loraruner.stores.base import Store
from tests.support.shown import faults
from tests.support.user import ROOT, Told, assert_refused, write_job

LIMIT_S = 300
# Between two files of its second checkpoint: the first one is whole, and no write is under way.
IN_TRAINING = "freeze-call 9 loraruner.lease.fenced_store:FencedStore.upload"
JOB = ("sampling.prompts=[]", "training.max_steps=20", "checkpoint.every_steps=5", "lora.dropout=0.1")
pytestmark = pytest.mark.slow


@dataclass
class Rivals:
    """Attempts at one job, at the same time, each with a workspace of its own; killed at the end."""

    job: Path
    output: str
    running: list["subprocess.Popen[str]"] = field(default_factory=list)

    def start(self, *overrides: str, moment: str = "never") -> "subprocess.Popen[str]":
        """An attempt to which something happens at ``moment`` (``tests.support.stopped_run``)."""
        scratch = self.job.parent / f"rival-{len(self.running) + 1}"
        own = {"LORARUNER_WORKDIR": str(scratch), "LORARUNER_CACHE": str(scratch / "cache")}
        given = [part for each in (*JOB, f"output.uri={self.output}", *overrides) for part in ("--set", each)]
        command = [sys.executable, "-m", "tests.support.stopped_run", moment, "train", str(self.job), *given]
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.running.append(process)
        return process

    @property
    def store(self) -> Store:
        return open_store(f"{self.output}/tiny", settings.load())

    def frozen(self) -> "subprocess.Popen[str]":
        """An attempt that has committed a checkpoint and stands still since."""
        process = self.start(moment=IN_TRAINING)
        _wait(lambda: _state(process) == "T", process)
        return process

    def training(self, *overrides: str) -> "subprocess.Popen[str]":
        """An attempt that has begun a checkpoint."""
        process = self.start(*overrides)
        _wait(lambda: any("/checkpoints/" in info.key for info in self.store.list("runs/")), process)
        return process

    def shown(self) -> dict[str, tuple[int, str]]:
        """Every object with its size and ETag."""
        return {info.key: (info.size_bytes, info.etag) for info in self.store.list()}


def _wait(reached: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Return once that is so; fails when the attempt ends before, or takes too long."""
    end = time.monotonic() + LIMIT_S
    while not reached():
        assert process.poll() is None, told(process).err
        assert time.monotonic() < end, "the attempt does not get there"
        time.sleep(0.05)


def _state(process: "subprocess.Popen[str]") -> str:
    """``T`` for a process that was stopped (proc(5))."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


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
    """A frozen attempt is taken over; when it wakes up it ends with 76, and nothing of another's has changed by it."""
    first = rivals.frozen()
    second = rivals.frozen()  # held still too, so that every change is the first one's
    before = rivals.shown()
    assert {key.split("/")[3] for key in before if "/checkpoints/" in key} == {
        "e0001-step-000001",
        "e0002-step-000002",
    }
    first.send_signal(signal.SIGCONT)
    fenced = told(first)
    assert_refused(fenced, 76, "FENCED", "attempt 2", "owns this run now: attempt 1 ends without writing anything more")
    after = rivals.shown()
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert all("/e0001-" in key or "/attempt-1/" in key for key in changed)  # under way when it froze, its own names
    second.send_signal(signal.SIGCONT)
    done = told(second)
    assert done.code == 0 and done.result["attempts"] == 2, done.err
    assert faults(f"{rivals.output}/tiny") == []


def test_a_second_attempt_beside_a_living_one(rivals: Rivals, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits one lease time, ends with 76, and has written nothing; the first one goes on."""
    monkeypatch.setenv("LORARUNER_LEASE_S", "5")  # on a busy machine a renewal may be seconds late
    long = "training.max_steps=100000"
    first = rivals.training(long)
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
    for _ in range(2):
        process = rivals.frozen()
        process.kill()
        assert told(process).code == -signal.SIGKILL
    last = told(rivals.start())
    assert_refused(last, 82, "EXHAUSTED", "its attempts: 2 made, 2 allowed", "LORARUNER_MAX_ATTEMPTS", "--fresh")
    assert json.loads(termination.read_text())["code"] == 82
    monkeypatch.setenv("LORARUNER_MAX_ATTEMPTS", "3")
    done = told(rivals.start())
    assert done.code == 0 and done.result["attempts"] == 3, done.err
