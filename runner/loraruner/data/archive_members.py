"""What an archive says it holds, one member at a time, in bounded memory. The caller judges the members."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

# A directory or a long name is read in one piece, of a size that the archive claims: each read is bounded.
MAX_ZIP_READ_BYTES = 32 << 20
MAX_TAR_READ_BYTES = 64 << 10
MAX_TAR_TAIL_READS = 256
# What tarfile reads between two members: names, extensions, maps of sparse files. A member has 2 KiB of it at most,
# and a few megabytes of gzip can hold gigabytes.
MAX_TAR_HEADER_BYTES = 1 << 20
MAX_TAR_HEADERS_BYTES = 512 << 20
MAX_TAR_SETTINGS = 100  # kept for all members that follow
TAR_BLOCK_BYTES = 512
ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Refused(Exception):
    """Something in an archive is refused; the text says what, without the archive's name."""


@dataclass(frozen=True)
class Member:
    """One member as the archive describes it; ``chunks`` must be used before the next member is asked for."""

    name: str
    size_bytes: int
    is_folder: bool
    fault: str  # why a member of this kind is refused, or ""
    chunks: Iterator[bytes]


class BoundedReader(io.BufferedReader):
    """A reader that refuses one large read, and remembers the last one."""

    def __init__(self, raw: io.FileIO | gzip.GzipFile, max_read_bytes: int) -> None:
        super().__init__(raw)
        self.max_read_bytes = max_read_bytes
        self.last = b""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes; more than the bound in one piece is refused."""
        wanted = self.max_read_bytes if size is None or size < 0 else size
        if wanted > self.max_read_bytes:
            raise Refused(f"asks for {wanted:,} bytes of names and headers in one piece")
        self.last = super().read(wanted)
        return self.last

    def seek(self, target: int, whence: int = 0, /) -> int:
        """Move; a place before the beginning is refused."""
        if whence == io.SEEK_SET and target < 0:
            raise Refused("points to a place before its beginning")
        return super().seek(target, whence)


class TarReader(BoundedReader):
    """A bounded reader that only goes forward, and counts what is read between two members."""

    def __init__(self, raw: io.FileIO | gzip.GzipFile) -> None:
        super().__init__(raw, MAX_TAR_READ_BYTES)
        self._member_bytes = 0
        self._all_bytes = 0

    def begin_member(self) -> None:
        """What is read from here on belongs to the next member's headers."""
        self._member_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read headers; too many of them are refused."""
        found = super().read(size)
        self._member_bytes += len(found)
        self._all_bytes += len(found)
        if self._member_bytes > MAX_TAR_HEADER_BYTES or self._all_bytes > MAX_TAR_HEADERS_BYTES:
            raise Refused("has more names and headers than its members can need")
        return found

    def content(self, size: int) -> bytes:
        """Up to ``size`` bytes that are no headers."""
        return super().read(size)

    def seek(self, target: int, whence: int = 0, /) -> int:
        """Move forward: to go back in a gzip is to unpack it from its beginning."""
        if whence != io.SEEK_SET or target < self.tell():
            raise Refused("points back into itself")
        return super().seek(target, whence)


def zip_members(archive: Path, max_members: int) -> Generator[Member, None, None]:
    """Members of a zip in the order of its directory."""
    with BoundedReader(io.FileIO(archive), MAX_ZIP_READ_BYTES) as stream, zipfile.ZipFile(stream) as bundle:
        infos = bundle.infolist()
        if len(infos) > max_members:
            raise Refused(f"has {len(infos):,} members, more than {max_members:,}")
        for info in infos:
            # orig_filename: zipfile cuts ``filename`` at a NUL and would hide what follows.
            name, mode = info.orig_filename, info.external_attr >> 16
            is_folder = name.endswith("/") or stat.S_ISDIR(mode)
            yield Member(name, info.file_size, is_folder, _zip_fault(info, mode), _zip_chunks(bundle, info))


def _zip_fault(info: zipfile.ZipInfo, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "is a link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a device or another special file"
    if info.flag_bits & ENCRYPTED_FLAGS:
        return "is encrypted"
    if info.compress_type not in ZIP_METHODS:
        return f"is packed with method {info.compress_type} (only stored and deflate are read)"
    return ""


def _zip_chunks(bundle: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with bundle.open(info) as stream:
        while chunk := stream.read(MAX_TAR_READ_BYTES):
            yield chunk


def tar_members(archive: Path, *, compressed: bool) -> Generator[Member, None, None]:
    """Members of a tar in file order; a tar without its end mark (cut, or damaged half-way) is refused."""
    raw = gzip.GzipFile(archive) if compressed else io.FileIO(archive)
    with raw, TarReader(raw) as stream:
        with tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape") as bundle:
            while (info := bundle.next()) is not None:
                # Each member holds its extended headers, and nobody asks for them again.
                bundle.members.clear()  # type: ignore[attr-defined]
                if len(bundle.pax_headers) > MAX_TAR_SETTINGS:
                    raise Refused(f"has more than {MAX_TAR_SETTINGS} settings for all members")
                chunks = iter(()) if info.isdir() else _tar_chunks(stream, info)
                yield Member(info.name, info.size, info.isdir(), _tar_fault(info), chunks)
                stream.begin_member()
        # tarfile takes a damaged header for the end; the true end is a block of zeros.
        if stream.last != bytes(TAR_BLOCK_BYTES):
            raise Refused("is cut or damaged: its end mark is missing")
        for _ in range(MAX_TAR_TAIL_READS):  # to the end of the stream, where gzip checks its CRC
            if not stream.content(MAX_TAR_READ_BYTES):
                return
        raise Refused("goes on long after its end mark")


def _tar_fault(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "is a link"
    if info.issparse():
        return "is a sparse file"
    if not (info.isreg() or info.isdir()):
        return "is a device or another special file"
    return "has a negative size" if info.size < 0 else ""


def _tar_chunks(stream: TarReader, info: tarfile.TarInfo) -> Iterator[bytes]:
    stream.seek(info.offset_data)
    left_bytes = info.size
    while left_bytes > 0:
        chunk = stream.content(min(left_bytes, MAX_TAR_READ_BYTES))
        if not chunk:
            raise EOFError("the archive ends within it")
        left_bytes -= len(chunk)
        yield chunk
