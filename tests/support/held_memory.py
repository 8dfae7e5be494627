"""How much memory a process holds, and how much that grew."""

import ctypes
import gc
from collections.abc import Sequence
from pathlib import Path

SMAPS = Path("/proc/self/smaps_rollup")


def held_bytes() -> int:
    """Proportional set size of this process (pages that it shares count in part), without what is only kept for reuse.

    Garbage that waits for its turn and free blocks of the C allocator are no leak, and their size jumps about.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    line = next(line for line in SMAPS.read_text().splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) << 10


def growth_bytes(held: Sequence[int]) -> int:
    """The least of the last quarter less the least of the first: what is held for a moment moves neither."""
    quarter = max(1, len(held) // 4)
    return min(held[-quarter:]) - min(held[:quarter])
