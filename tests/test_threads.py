"""How many CPUs a process may use, and who decides."""

import os
from pathlib import Path

import pytest

from loraruner.threads import available_cpus, set_thread_environment


@pytest.fixture(autouse=True)
def _eight_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8)],
)
def test_cgroup_v2(tmp_path: Path, text: str, cpus: int) -> None:
    """``cpu.max`` cuts the affinity mask; part of a CPU counts as one."""
    (tmp_path / "cpu.max").write_text(f"{text}\n")
    assert available_cpus(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("-1", 8), ("300000", 3)])
def test_cgroup_v1(tmp_path: Path, quota: str, cpus: int) -> None:
    """The older files; -1 is no limit."""
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert available_cpus(tmp_path) == cpus


def test_without_a_cgroup(tmp_path: Path) -> None:
    """The affinity mask alone."""
    assert available_cpus(tmp_path) == 8


def test_the_operator_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says stays; what it leaves open becomes passive waiting and one thread a CPU."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    set_thread_environment()
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == ("3", "PASSIVE")
    monkeypatch.setattr("loraruner.threads.available_cpus", lambda: 5)
    monkeypatch.delenv("OMP_NUM_THREADS")
    set_thread_environment()
    assert os.environ["OMP_NUM_THREADS"] == "5"
