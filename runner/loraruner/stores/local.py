"""Files and folders as a store, with the semantics of an object store: exclusive create, compare and replace.

A root that is a regular file is a store of one object, whose key is "".
"""

import errno
import logging
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loraruner import files
from loraruner.errors import DataInvalid, InputMissing, IntegrityError, SpecInvalid
from loraruner.files import Digest
from loraruner.settings import Settings
from loraruner.stores import disk, local_write
from loraruner.stores.base import Capabilities, ObjectInfo, PreconditionFailed
from loraruner.stores.keys import check_key, join
from loraruner.stores.local_write import etag_of

log = logging.getLogger(__name__)

# Names of half-made files and locks: they begin with a dot and end like this, and are never listed.
HIDDEN_SUFFIXES = (".tmp", ".lock", ".partial", ".partial.parts")
FOLDER_TRIES = 20
FOLDER_IN_USE = (errno.ENOTEMPTY, errno.EEXIST)


def open_store(uri: str, settings: Settings) -> "LocalStore":
    """The store at a plain path or a ``file://`` URI. Touches nothing yet."""
    if "://" not in uri:
        return LocalStore(uri, Path(_without_nul(uri)))
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise SpecInvalid(f"{uri}: a file URI has three slashes and an absolute path; write file:///folder/file")
    return LocalStore(uri, Path(_without_nul(unquote(parts.path))))


def _without_nul(path: str) -> str:
    """``path``; SpecInvalid (64) for one that no file can have, which the system's calls refuse to look at."""
    if "\0" in path:
        raise SpecInvalid(f"{path!r}: holds the character NUL, which no path can; correct the address")
    return path


class LocalStore:
    """Objects are regular files below a root; links below the root are refused, never followed."""

    def __init__(self, uri: str, root: Path) -> None:
        self.uri = uri
        # The root itself may be reached through a link: whoever named it meant that.
        self.root = Path(os.path.realpath(root))

    def probe(self) -> Capabilities:
        """Write, create twice, replace wrongly, read back and delete a small file. See ``Store.probe``."""
        key, data = f"probe-{secrets.token_hex(8)}", secrets.token_bytes(32)
        self.write(key, data, if_absent=True)
        try:
            exclusive = self._refuses(key, if_absent=True, if_match=None)
            matched = self._refuses(key, if_absent=False, if_match="another")
            if self.read(key)[0] != data:
                raise IntegrityError(f"{self.uri}: a small file read back differs; check the disk")
        finally:
            self.delete(key)
        log.debug("%s: exclusive create %s, replace if unchanged %s", self.uri, exclusive, matched)
        return Capabilities(create_exclusive=exclusive, replace_if_match=matched, checksum_mode="none")

    def _refuses(self, key: str, *, if_absent: bool, if_match: str | None) -> bool:
        try:
            self.write(key, b"loser", if_absent=if_absent, if_match=if_match)
        except PreconditionFailed:
            return True
        return False

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``Store.list``; a missing root lists nothing, a link or a device is DataInvalid."""
        found: Iterable[ObjectInfo] = ()
        with disk.reading(self.root):
            if self.root.is_file():
                found = () if prefix else (self._info("", self.root.stat()),)
            elif self.root.is_dir():
                found = [info for info in self._walk(self.root, "", prefix) if info.key.startswith(prefix)]
        return iter(sorted(found, key=lambda info: info.key.encode()))

    def _walk(self, folder: Path, parent: str, prefix: str) -> Iterator[ObjectInfo]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") and entry.name.endswith(HIDDEN_SUFFIXES):
                    continue
                key = check_key(f"{parent}{entry.name}", self.uri)
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                        yield from self._walk(Path(entry.path), f"{key}/", prefix)
                elif stat.S_ISREG(status.st_mode):
                    yield self._info(key, status)
                elif key.startswith(prefix):
                    raise _not_regular(Path(entry.path))

    def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        path = self._path(key)
        try:
            with disk.reading(path):
                status = path.lstat()
        except InputMissing:
            return None
        return self._info(key, status) if stat.S_ISREG(status.st_mode) else None

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        """See ``Store.read``."""
        path = self._path(key)
        with disk.reading(path), _open_regular(path) as descriptor:
            status = os.fstat(descriptor)
            if status.st_size > limit_bytes:
                raise DataInvalid(f"{path}: {status.st_size:,} bytes are more than the {limit_bytes:,} allowed here")
            with os.fdopen(os.dup(descriptor), "rb") as stream:
                return stream.read(), etag_of(status)

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        """See ``Store.download``; a file that differs is not read again, it would differ again."""
        source = self._path(key)
        with (
            disk.reading(source),
            _open_regular(source) as descriptor,
            disk.writing(path),
            local_write.replacing_file(path) as temporary,
        ):
            digest = local_write.copy(descriptor, temporary)
            if sha256 is not None and digest.sha256 != sha256.lower():
                raise IntegrityError(f"{source}: sha256 is {digest.sha256}, expected {sha256}; correct digest or file")
        return digest

    def write(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        """See ``Store.write``."""
        path = self._path(key)
        with disk.writing(path):
            return self._put(path, lambda temporary: temporary.write_bytes(data), if_absent, if_match)

    def upload(self, path: Path, key: str, *, if_absent: bool = False, if_match: str | None = None) -> Digest:
        """See ``Store.upload``."""
        target, copied = self._path(key), list[Digest]()
        with disk.reading(path), path.open("rb") as source, disk.writing(target):
            self._put(
                target,
                lambda temporary: copied.append(local_write.copy(source.fileno(), temporary)),
                if_absent,
                if_match,
            )
        return copied[-1]

    def _put(self, path: Path, fill: local_write.Fill, if_absent: bool, if_match: str | None) -> str:
        for _ in range(FOLDER_TRIES):
            # Whoever deletes the last object below a prefix removes its folders: perhaps this one, just now.
            with suppress(FileNotFoundError, FileExistsError):
                files.make_folder(path.parent)
                return self._put_once(path, fill, if_absent, if_match)
        files.make_folder(path.parent)
        return self._put_once(path, fill, if_absent, if_match)

    def _put_once(self, path: Path, fill: local_write.Fill, if_absent: bool, if_match: str | None) -> str:
        if if_absent:
            return local_write.create(path, fill)
        if if_match is None:
            return local_write.replace(path, fill)
        return local_write.replace_if_match(path, fill, if_match)

    def age_s(self, key: str) -> float | None:
        """See ``Store.age_s``; the clock is that of the file system, which may be a server's."""
        path = self._path(key)
        if self.head(key) is None:
            raise InputMissing(f"{path}: there is no such file; check the address")
        with disk.reading(path):
            return local_write.age_s(path)

    def delete(self, key: str) -> None:
        """See ``Store.delete``; folders that it leaves empty go too, as a key prefix would."""
        path = self._path(key)
        with disk.writing(path):
            try:
                path.unlink(missing_ok=True)
                for folder in (parent for parent in path.parents if self.root in parent.parents):
                    folder.rmdir()
            except (FileNotFoundError, NotADirectoryError):
                return
            except OSError as error:
                if error.errno not in FOLDER_IN_USE:
                    raise

    def _path(self, key: str) -> Path:
        """The file of a key; refuses a link anywhere below the root."""
        path = self.root
        for part in check_key(key, self.uri).split("/") if key else ():
            path = path / part
            if path.is_symlink():
                raise _not_regular(path)
        return path

    def _info(self, key: str, status: os.stat_result) -> ObjectInfo:
        return ObjectInfo(key, status.st_size, etag_of(status))

    def __repr__(self) -> str:
        return f"LocalStore({join(self.uri, '')})"


def _not_regular(path: Path) -> DataInvalid:
    return DataInvalid(f"{path}: is a link or a device, which a store never follows; copy the file itself (cp -L)")


@contextmanager
def _open_regular(path: Path) -> Iterator[int]:
    # O_NONBLOCK: opening a named pipe must fail the check below, not wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputMissing(f"{path}: is not a regular file; check the address")
        yield descriptor
    finally:
        os.close(descriptor)
