"""Unpack a .zip, .tar or .tar.gz that nobody vouches for: all of it, or nothing and one sentence why.

The extraction (and the filters) of ``tarfile`` and ``zipfile`` is not used: every name is checked here, only
regular files and folders are written, and sizes are measured on the bytes that come out, not on headers.
"""

import contextlib
import errno
import gzip
import os
import re
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from loraruner.data.archive_members import Member, Refused, tar_members, zip_members
from loraruner.errors import DataInvalid, EnvironmentUnfit
from loraruner.files import replacing

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_NAME_BYTES, MAX_PART_BYTES, MAX_DEPTH = 1024, 255, 32
SNIFF_BYTES = 512

# What the standard readers raise on bytes that are not what they should be (found by fuzzing, too).
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    ArithmeticError,
    LookupError,
    RuntimeError,  # with NotImplementedError and RecursionError: endless chains of extension headers
    ValueError,
)


@dataclass(frozen=True)
class Limits:
    """What an unpacked archive may grow to. The ratio counts once ``ratio_floor_bytes`` are written.

    Folders that names only imply are members like any other.
    """

    max_members: int = 100_000
    max_file_bytes: int = 8 << 30
    max_total_bytes: int = 64 << 30
    max_ratio: float = 200.0
    ratio_floor_bytes: int = 10 << 20


DEFAULT_LIMITS = Limits()


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a file that is an archive by its first bytes, or claims to be one by its suffix."""
    return path.is_file() and (path.name.lower().endswith(SUFFIXES) or _sniff(path) is not None)


def unpack(archive: Path, folder: Path, *, limits: Limits = DEFAULT_LIMITS) -> Path:
    """Unpack ``archive`` to ``folder`` (replaced if it exists) and return its data root.

    Raises DataInvalid (65) naming archive and member for anything but regular files and folders with plain
    relative names inside the limits, EnvironmentUnfit (78) on a full disk; ``folder`` is then as before.
    """
    with _faults_named(archive), replacing(folder) as temporary:
        temporary.mkdir(mode=0o700)
        budget = _Budget(limits, archive.stat().st_size)
        with contextlib.closing(_members(archive, limits)) as members:
            _extract(members, temporary, limits, budget)
    return data_root(folder)


def data_root(folder: Path) -> Path:
    """The one folder at the top of an unpacked archive when there is nothing else, else ``folder``."""
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _sniff(path: Path) -> str | None:
    with path.open("rb") as stream:
        head = stream.read(SNIFF_BYTES)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "tar.gz"
    return "tar" if head[257:262] == b"ustar" else None


def _members(archive: Path, limits: Limits) -> Generator[Member, None, None]:
    kind = _sniff(archive)
    if kind == "zip":
        return zip_members(archive, limits.max_members)
    if kind is None and archive.suffix.lower() != ".tar":  # tars from before 1988 bear no magic
        raise Refused("is neither a zip nor a tar nor a gzipped tar")
    return tar_members(archive, compressed=kind == "tar.gz")


@contextlib.contextmanager
def _faults_named(archive: Path) -> Iterator[None]:
    try:
        yield
    except Refused as refusal:
        raise DataInvalid(f"{archive}: {refusal}; nothing was unpacked, pack it again without that") from None
    except DAMAGE as error:
        raise DataInvalid(f"{archive}: cut or damaged ({error}); fetch or pack it again") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise EnvironmentUnfit(f"{archive}: the disk is full while unpacking it; free some space") from error


def _extract(members: Iterator[Member], root: Path, limits: Limits, budget: "_Budget") -> None:
    names = _Names(limits.max_members)
    for count, member in enumerate(members, start=1):
        if count > limits.max_members:
            raise Refused(f"has more than {limits.max_members:,} members")
        try:
            _extract_member(member, root, names, budget)
        except Refused as refusal:
            raise Refused(f"member {member.name[:200]!r} {refusal}") from None
        except DAMAGE as error:
            raise Refused(f"member {member.name[:200]!r} is cut or damaged ({error})") from error


def _extract_member(member: Member, root: Path, names: "_Names", budget: "_Budget") -> None:
    parts = _safe_parts(member.name)
    if member.fault:
        raise Refused(member.fault)
    if not parts:
        if not member.is_folder:
            raise Refused("has no name")
    elif parts[0] == "__MACOSX" or parts[-1] == ".DS_Store":
        for _ in budget.counted(member.chunks):  # read past it at the same price
            pass
    else:
        names.add(parts, member.is_folder)
        _write(member, root.joinpath(*parts), budget)


def _write(member: Member, path: Path, budget: "_Budget") -> None:
    if member.is_folder:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # The folder is new, ours alone (0700) and free of links; these flags make sure of it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    num_bytes = 0
    with os.fdopen(descriptor, "wb") as stream:
        for chunk in budget.counted(member.chunks):
            num_bytes += stream.write(chunk)
    if num_bytes != member.size_bytes:
        raise Refused(f"holds {num_bytes:,} bytes, its header says {member.size_bytes:,}")


def _safe_parts(name: str) -> tuple[str, ...]:
    """The parts of a member's name; Refused unless it is a plain relative path."""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise Refused("has control characters or broken text in its name")
    if name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name):
        raise Refused("has an absolute name, a drive letter or a backslash in it")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Refused("has '..' in its name")
    too_long = any(len(part.encode()) > MAX_PART_BYTES for part in parts)
    if too_long or len(name.encode()) > MAX_NAME_BYTES or len(parts) > MAX_DEPTH:
        raise Refused("has too long or too deep a name")
    return parts


class _Names:
    """The paths taken so far, as a tree; two that some file system takes for one are refused."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        # Of each folder, by its number: what it holds, by the name that file systems compare.
        self._taken: dict[tuple[int, str], tuple[str, bool, int]] = {}

    def add(self, parts: tuple[str, ...], is_folder: bool) -> None:
        """Take a path and all folders above it."""
        parent = 0
        for depth, part in enumerate(parts, start=1):
            entry = (part, is_folder or depth < len(parts))
            key = (parent, unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold()))
            known = self._taken.get(key)
            if known is not None and (known[:2] != entry or not entry[1]):
                raise Refused(f"clashes with {'/'.join([*parts[: depth - 1], known[0]])[:200]!r}")
            if known is None:
                if len(self._taken) == self._max_entries:
                    raise Refused(f"brings the files and folders to more than {self._max_entries:,}")
                known = self._taken[key] = (*entry, len(self._taken) + 1)
            parent = known[2]


class _Budget:
    """Counts the bytes that really come out of an archive and stops at the limits."""

    def __init__(self, limits: Limits, archive_bytes: int) -> None:
        self._limits = limits
        self._total_bytes = 0
        self._by_ratio_bytes = max(limits.ratio_floor_bytes, limits.max_ratio * archive_bytes)

    def counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks of one member; Refused before the one that breaks a limit."""
        file_bytes = 0
        for chunk in chunks:
            file_bytes += len(chunk)
            self._total_bytes += len(chunk)
            if file_bytes > self._limits.max_file_bytes:
                raise Refused(f"is larger than {self._limits.max_file_bytes:,} bytes")
            if self._total_bytes > self._limits.max_total_bytes:
                raise Refused(f"brings the unpacked size above {self._limits.max_total_bytes:,} bytes")
            if self._total_bytes > self._by_ratio_bytes:
                raise Refused(f"brings the unpacked size above {self._limits.max_ratio:g} times the archive's")
            yield chunk
