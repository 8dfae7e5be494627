"""``loraruner data check`` that is stopped while its workers look at pictures."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image


def members(session: int) -> set[int]:
    """Processes of a session that are alive."""
    alive = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, sid = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(sid) == session and state != "Z":
            alive.add(int(stat.parent.name))
    return alive


def wait_for(condition: Callable[[], bool]) -> None:
    """Give up after a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGTERM, 85, "SIGTERM received: the check was not finished"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_signal_ends_the_workers_too(tmp_path: Path, number: signal.Signals, code: int, word: str) -> None:
    """In the middle of many large pictures: the code of the table, one line, no process left, no report."""
    (tmp_path / "set").mkdir()
    Image.new("RGB", (9000, 9000)).save(tmp_path / "set/0.png", compress_level=1)
    for index in range(1, 200):
        (tmp_path / f"set/{index}.png").hardlink_to(tmp_path / "set/0.png")
    arguments = ["data", "check", str(tmp_path / "set"), "--output", str(tmp_path / "report.json")]
    process = subprocess.Popen(
        [sys.executable, "-m", "loraruner", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: len(members(process.pid)) > 1)
    time.sleep(1)  # the workers have begun
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert word in err.splitlines()[-1] and "Traceback" not in err
    wait_for(lambda: not members(process.pid))
    assert not (tmp_path / "report.json").exists()
