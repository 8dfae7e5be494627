"""How the local store writes: whole or not at all, and for two that race, as an object store decides."""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from loraruner import files
from loraruner.errors import TemporaryFailure
from loraruner.files import Digest
from loraruner.stores.base import PreconditionFailed

NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
LOCK_LIMIT_S, LOCK_POLL_S = 60.0, 0.005
Fill = Callable[[Path], object]  # writes the content to the path it is given


def etag_of(status: os.stat_result) -> str:
    """What tells a version of a file from another one, without reading it."""
    # Every write makes a new file, so that inode and times are enough.
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def create(path: Path, fill: Fill) -> str:
    """Create ``path`` whole, or raise PreconditionFailed; a hard link decides the race. Returns the ETag."""
    temporary = files.temporary_beside(path)
    try:
        fill(temporary)
        files.fsync_path(temporary)
        etag = etag_of(temporary.stat())
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
            _create_without_links(path, temporary)
    except FileExistsError as error:
        raise PreconditionFailed(f"{path}: exists already") from error
    finally:
        temporary.unlink(missing_ok=True)
    files.fsync_path(path.parent)
    return etag


def _create_without_links(path: Path, content: Path) -> None:
    """Exclusive create where the file system has no hard links: a reader may see it empty, but never a part of it."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    try:
        content.replace(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace(path: Path, fill: Fill) -> str:
    """Put new content in the place of ``path``, absent or not. Returns the ETag."""
    with replacing_file(path) as temporary:
        fill(temporary)
        _later_than(path, temporary)
        return etag_of(temporary.stat())


def replace_if_match(path: Path, fill: Fill, etag: str) -> str:
    """``replace``, unless ``path`` is not what ``etag`` names any more: then PreconditionFailed, and nothing is done.

    The lock is held for the last moment alone: a process that is frozen while it copies gigabytes holds up nobody.
    """
    _require(path, etag)
    temporary = files.temporary_beside(path)
    try:
        with files.naming(path):
            fill(temporary)
            files.fsync_path(temporary)
        with locked(path):
            _require(path, etag)
            _later_than(path, temporary)
            written = etag_of(temporary.stat())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    files.fsync_path(path.parent)
    return written


def _require(path: Path, etag: str) -> None:
    try:
        found = etag_of(path.stat())
    except FileNotFoundError:
        found = None
    if found != etag:
        raise PreconditionFailed(f"{path}: is not the version {etag} any more")


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """``files.replacing``, but never in place of a folder."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with files.replacing(path) as temporary:
        yield temporary


def _later_than(old: Path, new: Path) -> None:
    """Give ``new`` a later time than ``old``: within one clock tick an inode number may come back."""
    try:
        old_ns = old.stat().st_mtime_ns
    except FileNotFoundError:
        return
    new_ns = new.stat().st_mtime_ns
    if new_ns <= old_ns:
        os.utime(new, ns=(new_ns, old_ns + 1))


def copy(descriptor: int, target: Path) -> Digest:
    """Copy an open file from its beginning into the new file ``target``, and hash what was copied."""
    sha, size = hashlib.sha256(), 0
    with target.open("xb") as stream:
        while chunk := os.pread(descriptor, files.CHUNK_BYTES, size):
            stream.write(chunk)
            sha.update(chunk)
            size += len(chunk)
    return Digest(size, sha.hexdigest())


def lock_of(path: Path) -> Path:
    """The file that replacers of ``path`` lock."""
    return path.with_name(f".{files.short_name(path)}.lock")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one replacer of ``path`` in at a time; the lock goes with its process, and its file with the last one."""
    lock = lock_of(path)
    descriptor = _lock(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(lock: Path) -> int:
    """Wait for the lock, and see that the file is still the one of that name: its last owner has removed it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock_patiently(descriptor, lock)
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock_patiently(descriptor: int, lock: Path) -> None:
    """Wait, but not for a process that is frozen in the moment for which it holds the lock; nothing may pass it."""
    end = time.monotonic() + LOCK_LIMIT_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise TemporaryFailure(
                    f"{lock}: another process has held this lock for {LOCK_LIMIT_S:.0f} s; is it frozen? end it, and "
                    "start the job again"
                ) from None
        time.sleep(LOCK_POLL_S)


def age_s(path: Path) -> float:
    """Seconds since ``path`` was written, by the clock of its file system: that of a new file beside it."""
    temporary = files.temporary_beside(path)
    try:
        temporary.touch()
        now_ns = temporary.stat().st_mtime_ns
    finally:
        temporary.unlink(missing_ok=True)
    return max(0, now_ns - path.stat().st_mtime_ns) / 1e9
