"""How many CPU threads to use, decided before torch is imported.

torch's CPU wheels spin at OpenMP barriers by default; beside a busy neighbour that makes a step several times slower.
"""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_cpus(cgroup: Path = CGROUP) -> int:
    """Whole CPUs this process may use: its affinity mask, cut by the cgroup's CPU quota (v2 or v1), at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(allowed, math.ceil(quota)) if quota else allowed)


def _quota(cgroup: Path) -> float | None:
    """CPU quota in CPUs, or None without a limit."""
    unified = cgroup / "cpu.max"
    if unified.exists():
        quota, period = unified.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    legacy = cgroup / "cpu" / "cpu.cfs_quota_us"
    if legacy.exists() and int(legacy.read_text()) > 0:
        return int(legacy.read_text()) / int((cgroup / "cpu" / "cpu.cfs_period_us").read_text())
    return None


def set_thread_environment() -> None:
    """Passive OpenMP waiting and one thread a CPU, unless the operator set them; call before importing torch."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", str(available_cpus()))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
