"""Durable local writes and digests: write beside, fsync, rename; SHA-256 of every byte."""

import errno
import hashlib
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from loraruner.errors import EnvironmentUnfit, LoraRunerError, NoPermission

CHUNK_BYTES = 1 << 20
MAX_NAME_BYTES = 200  # of 255 that a name may have; what is put around it needs the rest
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FOLDER_THERE = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"  # torch's RuntimeError has it in the text alone
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


def short_name(path: Path) -> str:
    """The name of ``path``, cut so that a hidden name made of it is not too long for a file."""
    return path.name.encode(errors="ignore")[:MAX_NAME_BYTES].decode(errors="ignore")


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that no other process or thread uses."""
    return path.with_name(f".{short_name(path)}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each flushed into the one above: a power cut keeps the whole branch."""
    missing = list(itertools.takewhile(lambda each: not each.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing):
        fsync_path(each.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it is fsynced and renamed to ``path``, else removed.

    Works for a file or a folder (an existing folder of that name is replaced).
    """
    make_folder(path.parent)
    temporary = temporary_beside(path)
    try:
        yield temporary
        fsync_tree(temporary)
        _put_in_place(temporary, path)
        fsync_path(path.parent)
    except Exception as error:
        _raise_named(error, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename; a folder that is there is moved aside first, whole, and deleted last, also if two do this at once."""
    aside: list[Path] = []
    while True:
        try:
            temporary.replace(path)
            break
        except OSError as error:
            if error.errno not in FOLDER_THERE:
                raise
            aside.append(temporary_beside(path))
            with suppress(FileNotFoundError):
                path.replace(aside[-1])
    for each in aside:
        shutil.rmtree(each, ignore_errors=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of a full disk name ``path``: what fails in writing, not in opening, knows no name by itself."""
    try:
        yield
    except Exception as error:
        _raise_named(error, path)


def _raise_named(error: Exception, path: Path) -> NoReturn:
    """Raise ``error`` again; that of a full disk as an OSError with ``path`` in place of no name or a temporary one."""
    number = None if isinstance(error, LoraRunerError) else _os_number(error)
    if number in DISK_FULL:
        raise OSError(number, os.strerror(number), str(path)) from error
    raise error


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


def machine_fault(error: BaseException) -> LoraRunerError | None:
    """What to raise for a full disk and used-up memory (78), and for a disk that refuses (77); None for others."""
    if isinstance(error, MemoryError) or NO_MEMORY in str(error):
        return EnvironmentUnfit(
            "the memory of this machine is used up; give the job more of it, or make the job smaller"
        )
    number = _os_number(error)
    if number not in DISK_FULL + REFUSED:
        return None
    place = getattr(error, "filename", None) or "LORARUNER_CACHE, LORARUNER_WORKDIR or the output"
    if number in DISK_FULL:
        return EnvironmentUnfit(
            f"{place}: the disk is full ({os.strerror(number)}); free some space, or use a larger one"
        )
    return NoPermission(f"{place}: cannot be used ({os.strerror(number)}); name a place that this user may write to")


def _os_number(error: BaseException) -> int | None:
    """What the operating system said, by its number; None where it said nothing."""
    wrapped = OS_NUMBER.search(str(error))
    return error.errno if isinstance(error, OSError) else int(wrapped[1]) if wrapped else None


@contextmanager
def machine_faults_named() -> Iterator[None]:
    """Raise what ``machine_fault`` says for the errors that it knows, whichever library met them."""
    try:
        yield
    except Exception as error:
        if isinstance(error, LoraRunerError) or (named := machine_fault(error)) is None:
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
