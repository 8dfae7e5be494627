"""Runs as child processes: their end and result are told, and a signal reaches them once."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from loraruner import settings
from loraruner.dispatch import local
from loraruner.stores.local import open_store

PYTHON = sys.executable
CHILD = """
import json, os, signal, sys, time
told = {"arguments": sys.argv[1:], "job": json.load(open(sys.argv[sys.argv.index("train") + 1]))}
if "wait" in told["job"]:
    got = []
    signal.signal(signal.SIGTERM, lambda *_: got.append(1))
    open(told["job"]["wait"], "w").close()
    while not got:
        time.sleep(0.01)
    time.sleep(0.1)
    print(json.dumps({"signals": len(got)}))
    sys.exit(85)
print(json.dumps(told))
sys.exit(told["job"].get("code", 0))
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for ``python -m loraruner``."""
    script = tmp_path / "child"
    script.write_text(f"#!{PYTHON}\n{CHILD}")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


@pytest.mark.parametrize("code", [0, 65, 85])
def test_a_child_and_its_end(child: None, code: int) -> None:
    """The job is handed over as a file, the run id and the global options as arguments, and the result comes back."""
    ended = local.Children(("--log-level", "error")).train({"code": code}, "x-0123")
    words = ended.result["arguments"]
    assert ended.code == code and ended.result["job"] == {"code": code}
    assert words[:5] == ["-m", "loraruner", "--log-level", "error", "train"]
    assert words[6:] == ["--run-id", "x-0123", "--format", "json"]
    assert not Path(words[5]).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_child_once(child: None, tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C let the child end in order, and no other begins; the handlers of before are back."""
    before = signal.getsignal(number)
    children, ready = local.Children(), tmp_path / "ready"

    def send() -> None:
        while not ready.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    with children.stoppable():
        ended = children.train({"wait": str(ready)}, "x")
    thread.join()
    assert (ended.code, ended.result, children.stopped) == (85, {"signals": 1}, True)
    assert signal.getsignal(number) == before


def test_a_child_that_was_killed(child: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A signal that ended it is told as shells tell it; what it printed is no result."""
    script = tmp_path / "child"
    script.write_text(f"#!{PYTHON}\nimport os\nprint('half', flush=True)\nos.kill(os.getpid(), 9)\n")
    assert local.Children().train({}, "x") == local.Ended(137, {})


@pytest.mark.parametrize(
    ("status", "age_s", "under_way"),
    [
        (None, 0, False),
        ({"state": "running"}, 0, True),
        ({"state": "running"}, 600, False),
        ({"state": "published"}, 0, False),
        ({"state": "preempted"}, 0, False),
    ],
)
def test_what_a_run_says_of_itself(tmp_path: Path, status: Any, age_s: float, under_way: bool) -> None:
    """Only a run that says that it is running, and has said so lately, is under way."""
    if status is not None:
        path = tmp_path / "task/runs/run-1/status.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(status))
        os.utime(path, (time.time() - age_s,) * 2)
    assert local.is_under_way(open_store(str(tmp_path), settings.load({})), "task", "run-1") is under_way
