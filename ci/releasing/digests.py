"""The three digests by which servers know a file, in one pass."""

import hashlib
from pathlib import Path
from typing import NamedTuple

CHUNK_BYTES = 1 << 20


class Digests(NamedTuple):
    """Hexadecimal digests of the same bytes."""

    sha1: str
    md5: str
    sha256: str


def of_bytes(data: bytes) -> Digests:
    """The digests of ``data``."""
    return Digests(
        hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        hashlib.md5(data, usedforsecurity=False).hexdigest(),
        hashlib.sha256(data).hexdigest(),
    )


def of_file(path: Path) -> Digests:
    """The digests of a file of any size."""
    sums = (hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False), hashlib.sha256())
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            for each in sums:
                each.update(chunk)
    return Digests(*(each.hexdigest() for each in sums))


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    return of_file(path).sha256
