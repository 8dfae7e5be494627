"""One download for every remote store: concurrent ranges, hashed, repeated where broken, continued later.

A source is a ``Remote``; how to ask for a range is its own affair. Sources raise TemporaryFailure for what
may pass by itself, Changed when the object is another one than at the start, and other ``loraruner.errors``.
"""

import errno
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from loraruner import files
from loraruner.errors import IntegrityError, TemporaryFailure
from loraruner.files import Digest
from loraruner.stores import disk, parallel, partial, retry
from loraruner.stores.parallel import Stopped
from loraruner.stores.partial import Part, Partial

log = logging.getLogger(__name__)

NUM_FETCHES = 3
NUM_WORKERS = 6


class Changed(Exception):
    """The object was replaced while it was being read."""


class _Mismatch(Exception):
    """The bytes that came have another SHA-256 than expected."""


@dataclass(frozen=True)
class Remote:
    """One object as found before a download."""

    uri: str
    """For messages and to recognise a partial; holds no secret."""
    size_bytes: int | None
    """None when the server doesn't say; then neither ranges nor a size check are possible."""
    etag: str
    """Names this content; "" when the server gives none, and then nothing is continued."""
    open_range: Callable[[int, int | None], Generator[bytes, None, None]]
    """(start, length in bytes or None for all) to the bytes, in chunks."""
    part_bytes: int
    sha256: str | None = None
    """The digest that the store itself keeps of the content."""


def fetch(find: Callable[[], Remote], path: Path, *, sha256: str | None = None) -> Digest:
    """Bring what ``find`` finds to ``path`` and return its digest.

    Without ``sha256``, the digest that the store keeps is used, and without that only the size is checked.
    Raises IntegrityError when ``NUM_FETCHES`` whole downloads gave other bytes.
    """
    for number in range(1, NUM_FETCHES + 1):
        remote = find()
        expected = (sha256 or remote.sha256 or "").lower()
        try:
            with disk.writing(path):
                return _fetch_once(remote, path, expected)
        except (Changed, _Mismatch) as error:
            reason = error
            log.warning("%s: download %d of %d is useless: %s", remote.uri, number, NUM_FETCHES, error)
    if isinstance(reason, Changed):
        raise TemporaryFailure(f"{remote.uri}: is being replaced while it is read; start the job again afterwards")
    raise IntegrityError(f"{remote.uri}: {reason} after {NUM_FETCHES} downloads; correct the digest or the object")


def _fetch_once(remote: Remote, path: Path, expected: str) -> Digest:
    begun = time.monotonic()
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    in_parts = remote.etag and remote.size_bytes is not None and remote.size_bytes > remote.part_bytes
    digest = _by_parts(remote, path, expected) if in_parts else _whole(remote, path, expected)
    log.debug("%s: %d bytes in %.1f s", remote.uri, digest.size_bytes, time.monotonic() - begun)
    return digest


def _whole(remote: Remote, path: Path, expected: str) -> Digest:
    """One request for everything: small objects, and servers that know no ranges."""
    with files.replacing(path) as temporary:
        digest = retry.patiently(lambda: _stream(remote, temporary))
        _compare(digest, expected)
    return digest


def _stream(remote: Remote, temporary: Path) -> Digest:
    sha, size = hashlib.sha256(), 0
    with closing(remote.open_range(0, remote.size_bytes)) as chunks, temporary.open("wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
            sha.update(chunk)
            size += len(chunk)
    if remote.size_bytes is not None and size != remote.size_bytes:
        raise _broken(remote, size, remote.size_bytes)
    return Digest(size, sha.hexdigest())


def _by_parts(remote: Remote, path: Path, expected: str) -> Digest:
    assert remote.size_bytes is not None
    part_bytes, size_bytes = remote.part_bytes, remote.size_bytes
    owned = partial.claim(path, uri=remote.uri, etag=remote.etag, size_bytes=size_bytes, part_bytes=part_bytes)
    keep = True  # after a break: the next call continues
    try:
        digest = _transfer(remote, owned)
        _compare(digest, expected)
        owned.finish(path)
    except (Changed, _Mismatch):
        keep = False
        raise
    finally:
        owned.close(keep=keep)
    return digest


def _transfer(remote: Remote, owned: Partial) -> Digest:
    """Fill the partial by several workers; the caller's thread hashes the parts in order as they come."""
    sha, size = hashlib.sha256(), 0

    def fill(part: Part, stop: threading.Event) -> None:
        if not owned.has(part):
            retry.patiently(lambda: _fill(remote, owned, part, stop), stop=stop)

    def consume(part: Part, _: None) -> None:
        nonlocal size
        for chunk in owned.chunks(part):
            sha.update(chunk)
            size += len(chunk)

    parallel.run(fill, owned.parts(), num_workers=NUM_WORKERS, consume=consume)
    return Digest(size, sha.hexdigest())


def _fill(remote: Remote, owned: Partial, part: Part, stop: threading.Event) -> None:
    sha, received = hashlib.sha256(), 0
    with closing(remote.open_range(part.start, part.length_bytes)) as chunks:
        for chunk in chunks:
            if stop.is_set():
                raise Stopped
            if received + len(chunk) > part.length_bytes:
                raise _broken(remote, received + len(chunk), part.length_bytes)
            owned.write(part.start + received, chunk)
            sha.update(chunk)
            received += len(chunk)
    if received != part.length_bytes:
        raise _broken(remote, received, part.length_bytes)
    owned.note(part, sha.hexdigest())


def _broken(remote: Remote, received: int, expected: int) -> TemporaryFailure:
    return TemporaryFailure(f"{remote.uri}: {received:,} bytes came instead of {expected:,}; start the job again")


def _compare(digest: Digest, expected: str) -> None:
    if expected and digest.sha256 != expected:
        raise _Mismatch(f"sha256 is {digest.sha256}, expected {expected}")
