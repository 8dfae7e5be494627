"""How much memory a process holds, and how much that grew."""

import ctypes
import gc
from collections.abc import Sequence
from pathlib import Path

SMAPS, MAPS = Path("/proc/self/smaps_rollup"), Path("/proc/self/maps")


def held_bytes() -> int:
    """Memory that only this process can give back: its anonymous pages, also those swapped out, and the files it maps.

    What is mapped counts by its addresses: how much of a library lies in memory, and how many processes share it,
    changes with what else runs on the machine. Garbage that waits for its turn and free blocks of the C allocator are
    no leak, and their size jumps about.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    fields = dict(line.split(":", 1) for line in SMAPS.read_text().splitlines()[1:])
    return sum(int(fields[name].split()[0]) << 10 for name in ("Anonymous", "Swap")) + _mapped_bytes()


def _mapped_bytes() -> int:
    """Addresses that mappings of files, and of memory shared between processes, take."""
    mappings = (line.split(maxsplit=5) for line in MAPS.read_text().splitlines())
    ranges = (each[0].split("-") for each in mappings if len(each) == 6 and each[5].startswith("/"))
    return sum(int(end, 16) - int(start, 16) for start, end in ranges)


def growth_bytes(held: Sequence[int]) -> int:
    """The least of the last quarter less the least of the first: what is held for a moment moves neither."""
    quarter = max(1, len(held) // 4)
    return min(held[-quarter:]) - min(held[:quarter])
