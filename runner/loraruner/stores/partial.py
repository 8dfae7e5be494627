"""A download in progress on the local disk, that a later call can continue.

Beside the target lie ``.NAME.HEX.partial`` (the bytes) and ``.NAME.HEX.partial.parts`` (JSON lines: a header
that says of what, then one line per finished part with its SHA-256). A part counts only when its bytes still
have that digest, so a torn write or a lost line costs parts, never a wrong file.

Whoever holds the lock on the bytes owns them. Locks are not seen across machines on every network file
system, so only a partial of this boot of this machine is continued; everybody else uses a new name.
"""

import fcntl
import glob
import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from loraruner import files

log = logging.getLogger(__name__)

STALE_S = 24 * 3600.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Header:
    """What a partial is a part of; any difference makes it useless."""

    uri: str
    etag: str
    size_bytes: int
    part_bytes: int
    boot: str


@dataclass(frozen=True)
class Part:
    """One range of the object: ``index * part_bytes`` up to ``start + length_bytes``."""

    index: int
    start: int
    length_bytes: int


class Partial:
    """An owned partial: positioned reads and writes, safe from several threads on different parts."""

    def __init__(self, path: Path, descriptor: int, header: Header, done: dict[int, str]) -> None:
        self.path = path
        self._descriptor = descriptor
        self._header = header
        self._done = done

    def parts(self) -> list[Part]:
        """All parts of the object in order; an empty object has none."""
        size, step = self._header.size_bytes, self._header.part_bytes
        return [Part(start // step, start, min(step, size - start)) for start in range(0, size, step)]

    def has(self, part: Part) -> bool:
        """Whether the part's bytes are here and have the digest noted when they came."""
        return part.index in self._done and self._digest(part) == self._done[part.index]

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at their place in the object."""
        while data:
            written = os.pwrite(self._descriptor, data, offset)
            data, offset = data[written:], offset + written

    def note(self, part: Part, sha256: str) -> None:
        """Remember that a part is complete."""
        line = json.dumps({"part": part.index, "sha256": sha256}) + "\n"
        with _notes(self.path).open("a", encoding="utf-8") as stream:
            stream.write(line)  # one short write in append mode: lines of several threads don't mix

    def chunks(self, part: Part) -> Iterator[bytes]:
        """The part's bytes on the disk."""
        end = part.start + part.length_bytes
        for offset in range(part.start, end, files.CHUNK_BYTES):
            yield os.pread(self._descriptor, min(files.CHUNK_BYTES, end - offset), offset)

    def _digest(self, part: Part) -> str:
        sha = hashlib.sha256()
        for chunk in self.chunks(part):
            sha.update(chunk)
        return sha.hexdigest()

    def finish(self, target: Path) -> None:
        """Make the bytes durable and give them their name."""
        os.fsync(self._descriptor)
        self.path.replace(target)
        files.fsync_path(target.parent)
        _notes(self.path).unlink(missing_ok=True)

    def close(self, *, keep: bool) -> None:
        """Let go of the partial; ``keep`` leaves it for a later call."""
        if not keep:
            self.path.unlink(missing_ok=True)
            _notes(self.path).unlink(missing_ok=True)
        os.close(self._descriptor)


def claim(target: Path, *, uri: str, etag: str, size_bytes: int, part_bytes: int) -> Partial:
    """Continue an abandoned partial of the same object, or begin a new one; stale ones are removed."""
    header = Header(uri, etag, size_bytes, part_bytes, _boot())
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in sorted(target.parent.glob(f".{glob.escape(files.short_name(target))}.*.partial")):
        partial = _adopt(path, header)
        if partial is not None:
            return partial
    return _begin(target, header)


def _begin(target: Path, header: Header) -> Partial:
    path = target.with_name(f".{files.short_name(target)}.{secrets.token_hex(4)}.partial")
    unseen = files.temporary_beside(path)
    descriptor = os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _notes(path).write_text(json.dumps(asdict(header)) + "\n", encoding="utf-8")
        unseen.replace(path)  # locked and described before anybody can find it
    except BaseException:
        os.close(descriptor)
        unseen.unlink(missing_ok=True)
        _notes(path).unlink(missing_ok=True)
        raise
    return Partial(path, descriptor, header, {})


def _adopt(path: Path, header: Header) -> Partial | None:
    """Own ``path`` if nobody does and it is a part of the same object; remove it if it is of no use."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    if _lock(path, descriptor):
        found = _load(path)
        if found is not None and found[0] == header:
            log.info("%s: continuing a download with %d parts done", header.uri, len(found[1]))
            return Partial(path, descriptor, header, found[1])
        if found is None or found[0].boot == header.boot or _age_s(descriptor) > STALE_S:
            path.unlink(missing_ok=True)
            _notes(path).unlink(missing_ok=True)
    os.close(descriptor)
    return None


def _lock(path: Path, descriptor: int) -> bool:
    """Take the lock, unless another process holds it or has renamed or removed the file meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except OSError:
        return False


def _age_s(descriptor: int) -> float:
    return time.time() - os.fstat(descriptor).st_mtime


def _load(path: Path) -> tuple[Header, dict[int, str]] | None:
    try:
        lines = _notes(path).read_text(encoding="utf-8").splitlines()
        header = Header(**json.loads(lines[0]))
        done = {}
        for line in lines[1:]:
            note = json.loads(line)
            done[int(note["part"])] = str(note["sha256"])
    except (FileNotFoundError, IndexError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return header, done


def _notes(path: Path) -> Path:
    return path.with_name(f"{path.name}.parts")


def _boot() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip() if BOOT_ID.exists() else ""
