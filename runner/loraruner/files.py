"""Durable local writes and digests: write beside, fsync, rename; SHA-256 of every byte."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loraruner.errors import EnvironmentUnfit

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Digest:
    """Size and SHA-256 (lowercase hex) of one file's content."""

    size_bytes: int
    sha256: str


def digest_bytes(data: bytes) -> Digest:
    """Digest of bytes in memory."""
    return Digest(len(data), hashlib.sha256(data).hexdigest())


def digest_file(path: Path) -> Digest:
    """Digest of a file, read in chunks."""
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            sha.update(chunk)
            size += len(chunk)
    return Digest(size, sha.hexdigest())


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that no other process or thread uses."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it is fsynced and renamed to ``path``, else removed.

    Works for a file or a folder (an existing folder of that name is replaced).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
        fsync_tree(temporary)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        temporary.replace(path)
        fsync_path(path.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``; a reader sees the old or the new content, never a part."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def fsync_path(path: Path) -> None:
    """Flush one file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(path: Path) -> None:
    """Flush a file, or every file and folder below ``path``."""
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for name in names:
                fsync_path(Path(folder, name))
            fsync_path(Path(folder))
    else:
        fsync_path(path)


def require_free(folder: Path, needed_bytes: int, what: str) -> None:
    """Raise EnvironmentUnfit (78) with both numbers when ``folder``'s disk cannot take ``needed_bytes`` more."""
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        raise EnvironmentUnfit(
            f"disk too small for {what}: {needed_bytes:,} bytes needed, {free_bytes:,} free in {existing}; "
            "free some space or point LORARUNER_CACHE and LORARUNER_WORKDIR to a larger disk"
        )
