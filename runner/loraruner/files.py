"""Durable local writes and digests: write beside, fsync, rename; SHA-256 of every byte."""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loraruner.errors import EnvironmentUnfit, LoraRunerError, NoPermission

CHUNK_BYTES = 1 << 20
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
OS_NUMBER = re.compile(r"\(os error (\d+)\)")  # libraries written in Rust (safetensors) have it in the text alone


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


def disk_error(error: BaseException) -> LoraRunerError | None:
    """What to raise for an error of a full disk (78) or of one that refuses (77), whoever met it; else None."""
    wrapped = OS_NUMBER.search(str(error))
    number = error.errno if isinstance(error, OSError) else int(wrapped[1]) if wrapped else None
    if number not in DISK_FULL + REFUSED:
        return None
    place = getattr(error, "filename", None) or "LORARUNER_CACHE, LORARUNER_WORKDIR or the output"
    if number in DISK_FULL:
        return EnvironmentUnfit(
            f"{place}: the disk is full ({os.strerror(number)}); free some space, or use a larger one"
        )
    return NoPermission(f"{place}: cannot be used ({os.strerror(number)}); name a place that this user may write to")


@contextmanager
def disk_faults_named() -> Iterator[None]:
    """Raise what ``disk_error`` says for the errors that it knows, whichever library met the disk."""
    try:
        yield
    except Exception as error:
        if isinstance(error, LoraRunerError) or (named := disk_error(error)) is None:
            raise
        raise named from error


def require_folder(folder: Path, variable: str) -> None:
    """Make ``folder``, which ``variable`` of the environment names; raises NoPermission (77), EnvironmentUnfit (78)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(folder / "writable")
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        if error.errno in DISK_FULL:
            raise EnvironmentUnfit(f"{variable}: the disk of {folder} is full; point it to a larger one") from error
        raise NoPermission(
            f"{variable}: {folder} cannot be written ({error.strerror}); point it to a folder this user may write to"
        ) from error


def require_free(folder: Path, needed_bytes: int, what: str) -> None:
    """Raise EnvironmentUnfit (78) with both numbers when ``folder``'s disk cannot take ``needed_bytes`` more."""
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        raise EnvironmentUnfit(
            f"disk too small for {what}: {needed_bytes:,} bytes needed, {free_bytes:,} free in {existing}; "
            "free some space or point LORARUNER_CACHE and LORARUNER_WORKDIR to a larger disk"
        )
