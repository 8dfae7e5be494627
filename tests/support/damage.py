"""What a disk does to files: a bit flips, the end is cut off, the file is gone, or empty."""

import os
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path], None]


def flip(path: Path) -> None:
    """Change one bit in the middle; size and times stay, as when a disk rots."""
    _rot(path, path.stat().st_size // 2)


def flip_first(path: Path) -> None:
    """Change one bit of the first byte."""
    _rot(path, 0)


def flip_last(path: Path) -> None:
    """Change one bit of the last byte."""
    _rot(path, path.stat().st_size - 1)


def cut(path: Path) -> None:
    """Leave the first half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Leave nothing of the content."""
    path.write_bytes(b"")


def remove(path: Path) -> None:
    """Leave nothing at all."""
    path.unlink()


EVERY: tuple[Damage, ...] = (flip, flip_first, flip_last, cut, empty, remove)
SOME: tuple[Damage, ...] = (flip, cut, remove)


def _rot(path: Path, place: int) -> None:
    status, data = path.stat(), bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
