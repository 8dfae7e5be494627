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
    md5: str = ""
    """What the content's MD5 should be, as far as the store's ETag can be believed."""


class _Content:
    """The bytes that came, hashed in their order."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size_bytes = 0

    def add(self, chunk: bytes, remote: Remote) -> None:
        self._sha.update(chunk)
        if remote.md5:
            self._md5.update(chunk)
        self.size_bytes += len(chunk)

    @property
    def digest(self) -> Digest:
        return Digest(self.size_bytes, self._sha.hexdigest())

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()


class _Judge:
    """Decides whether what came is what the object holds: by a digest, else by the MD5 in its ETag.

    Not every ETag of that form is an MD5: the same bytes from two downloads are believed too.
    """

    def __init__(self, sha256: str | None) -> None:
        self._wanted = sha256
        self._doubted: set[str] = set()

    def check(self, content: _Content, remote: Remote) -> Digest:
        """The digest of ``content``; raises _Mismatch when it is to be fetched again."""
        digest, expected = content.digest, (self._wanted or remote.sha256 or "").lower()
        if expected and digest.sha256 != expected:
            raise _Mismatch(f"sha256 is {digest.sha256}, expected {expected}")
        if not expected and remote.md5 not in ("", content.md5) and digest.sha256 not in self._doubted:
            self._doubted.add(digest.sha256)
            raise _Mismatch(f"md5 is {content.md5}, and the store's ETag {remote.md5}")
        return digest


def fetch(find: Callable[[], Remote], path: Path, *, sha256: str | None = None) -> Digest:
    """Bring what ``find`` finds to ``path`` and return its digest.

    Without ``sha256``, the digest that the store keeps is used, without that its ETag where that is an MD5, and
    without either only the size is checked.
    Raises IntegrityError when ``NUM_FETCHES`` whole downloads gave other bytes.
    """
    judge = _Judge(sha256)
    for number in range(1, NUM_FETCHES + 1):
        remote = find()
        try:
            with disk.writing(path):
                return _fetch_once(remote, path, judge)
        except (Changed, _Mismatch) as error:
            reason = error
            log.warning("%s: download %d of %d is useless: %s", remote.uri, number, NUM_FETCHES, error)
    if isinstance(reason, Changed):
        raise TemporaryFailure(f"{remote.uri}: is being replaced while it is read; start the job again afterwards")
    raise IntegrityError(f"{remote.uri}: {reason} after {NUM_FETCHES} downloads; correct the digest or the object")


def _fetch_once(remote: Remote, path: Path, judge: _Judge) -> Digest:
    begun = time.monotonic()
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    in_parts = remote.etag and remote.size_bytes is not None and remote.size_bytes > remote.part_bytes
    digest = _by_parts(remote, path, judge) if in_parts else _whole(remote, path, judge)
    log.debug("%s: %d bytes in %.1f s", remote.uri, digest.size_bytes, time.monotonic() - begun)
    return digest


def _whole(remote: Remote, path: Path, judge: _Judge) -> Digest:
    """One request for everything: small objects, and servers that know no ranges."""
    with files.replacing(path) as temporary:
        return judge.check(retry.patiently(lambda: _stream(remote, temporary)), remote)


def _stream(remote: Remote, temporary: Path) -> _Content:
    content = _Content()
    with closing(remote.open_range(0, remote.size_bytes)) as chunks, temporary.open("wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
            content.add(chunk, remote)
    if remote.size_bytes is not None and content.size_bytes != remote.size_bytes:
        raise _broken(remote, content.size_bytes, remote.size_bytes)
    return content


def _by_parts(remote: Remote, path: Path, judge: _Judge) -> Digest:
    assert remote.size_bytes is not None
    part_bytes, size_bytes = remote.part_bytes, remote.size_bytes
    owned = partial.claim(path, uri=remote.uri, etag=remote.etag, size_bytes=size_bytes, part_bytes=part_bytes)
    keep = True  # after a break: the next call continues
    try:
        digest = judge.check(_transfer(remote, owned), remote)
        owned.finish(path)
    except (Changed, _Mismatch):
        keep = False
        raise
    finally:
        owned.close(keep=keep)
    return digest


def _transfer(remote: Remote, owned: Partial) -> _Content:
    """Fill the partial by several workers; the caller's thread hashes the parts in order as they come."""
    content = _Content()

    def fill(part: Part, stop: threading.Event) -> None:
        if not owned.has(part):
            retry.patiently(lambda: _fill(remote, owned, part, stop), stop=stop)

    def consume(part: Part, _: None) -> None:
        for chunk in owned.chunks(part):
            content.add(chunk, remote)

    parallel.run(fill, owned.parts(), num_workers=NUM_WORKERS, consume=consume)
    return content


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
