"""Every shell script of the project passes shellcheck, and stops at the first fault."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (".ci", "ci", "docker", "helm", "examples", "bench")
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
SHELLS = (b"#!/usr/bin/env bash\n", b"#!/bin/bash\n", b"#!/bin/sh\n", b"#!/usr/bin/env sh\n")


def is_script(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.readline() in SHELLS


SCRIPTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if is_script(path))


def checked(*paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SHELLCHECK), *map(str, paths)], capture_output=True, text=True, check=False)


def test_shellcheck_is_content() -> None:
    """Not even a remark on style is left in any script."""
    assert {"run", "setup-system", "train-by-chart"} <= {path.name for path in SCRIPTS}
    done = checked(*SCRIPTS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_stops_at_the_first_fault(path: Path) -> None:
    """Unset variables are faults everywhere; .ci/run alone goes on after a part that failed, to tell of all."""
    options = "-uo pipefail" if path == ROOT / ".ci/run" else "-eu"
    assert f"\nset {options}" in path.read_text() and path.stat().st_mode & 0o111


def test_a_fault_is_found(tmp_path: Path) -> None:
    """The check itself sees a variable that falls into words."""
    (tmp_path / "bad").write_text("#!/usr/bin/env bash\nrm $1\n")
    assert is_script(tmp_path / "bad") and checked(tmp_path / "bad").returncode == 1
