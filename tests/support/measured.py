"""A command in a process of its own, with little memory and time, and what it took."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20
CODES = frozenset({0, 64, 65, 66, 77, 78})  # of the table of exit codes, what reading input can end with
# A process's peak counts what it was before it became another program: between this one, which may hold torch, and
# the one that is measured there is a small one.
BETWEEN = """
import json, resource, subprocess, sys
address_bytes, limit_s, report, *command = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_AS, (int(address_bytes),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s) + 5))
code = subprocess.run(command).returncode
peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
open(report, "w").write(json.dumps([code, peak_bytes]))
"""


@dataclass(frozen=True)
class Measured:
    """How a process ended, what it said, and the most memory (bytes) that it held at once."""

    code: int
    out: str
    err: str
    peak_bytes: int

    @property
    def last(self) -> str:
        """The last line on stderr."""
        return (self.err.splitlines() or [""])[-1]


def measured(
    arguments: Sequence[str | Path], folder: Path, *, limit_s: int = 60, address_bytes: int = 4 << 30
) -> Measured:
    """Run ``python ARGUMENTS`` with ``folder`` for its cache and workspace."""
    report = folder / "measured.json"
    folders = {"LORARUNER_CACHE": str(folder / "cache"), "LORARUNER_WORKDIR": str(folder / "work")}
    limits = (str(address_bytes), str(limit_s), str(report))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BETWEEN, *limits, sys.executable, *map(str, arguments)],
        env={**os.environ, **folders},
        capture_output=True,
    )
    code, peak_bytes = json.loads(report.read_text())
    report.unlink()
    return Measured(code, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), peak_bytes)


def loraruner(*arguments: str | Path, folder: Path) -> Measured:
    """The real command line."""
    return measured(["-m", "loraruner", *arguments], folder)


def assert_orderly(told: Measured, *codes: int) -> None:
    """An exit code of the table, one sentence where it is an error, never a traceback."""
    assert told.code in (codes or CODES), told.err[-2000:]
    assert "Traceback" not in told.err
    if told.code:
        assert told.last.startswith(f"error {told.code} "), told.err[-2000:]
