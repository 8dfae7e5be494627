"""What an archive claims about its members: kinds, sizes, ends; lies and damage are refused."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Refusal = Callable[..., None]


def make_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as bundle:
        for name, content in members.items():
            bundle.writestr(name, content)
    return path


def make_plain_tar(path: Path) -> Path:
    """Two members of one block each: headers at 0 and 1024, data at 512 and 1536."""
    with tarfile.open(path, "w") as bundle:
        for name in ("a", "b"):
            info = tarfile.TarInfo(name)
            info.size = 512
            bundle.addfile(info, io.BytesIO(name.encode() * 512))
    return path


def test_nul_in_a_zip_name(tmp_path: Path, refused: Refusal) -> None:
    """A name with a NUL, of which zipfile shows the first part only, is refused."""
    archive = make_zip(tmp_path / "d.zip", {"good.pngZ.exe": b"1", "b": b"2"})
    archive.write_bytes(archive.read_bytes().replace(b"good.pngZ", b"good.png\0"))
    refused(archive, "control characters")


def test_name_that_is_not_utf8(tmp_path: Path, refused: Refusal) -> None:
    """A tar name that is no UTF-8 is refused, not smuggled on as a surrogate."""
    with tarfile.open(tmp_path / "d.tar", "w", format=tarfile.USTAR_FORMAT, encoding="latin-1") as bundle:
        bundle.addfile(tarfile.TarInfo("caf\xe9"))
    refused(tmp_path / "d.tar", "broken text")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_tar_links_and_devices(kind: bytes, tmp_path: Path, refused: Refusal) -> None:
    """Symbolic and hard links, devices and pipes in a tar are refused."""
    with tarfile.open(tmp_path / "d.tar", "w") as bundle:
        info = tarfile.TarInfo("bad")
        info.type, info.linkname = kind, "../../secret"
        bundle.addfile(info)
    is_link = kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)
    refused(tmp_path / "d.tar", f"member 'bad' is a {'link' if is_link else 'device'}")


def test_tar_sparse_file(tmp_path: Path, refused: Refusal) -> None:
    """A sparse member, which grows out of nothing, is refused."""
    with tarfile.open(tmp_path / "d.tar", "w", format=tarfile.PAX_FORMAT) as bundle:
        info = tarfile.TarInfo("s")
        info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)}
        bundle.addfile(info)
    refused(tmp_path / "d.tar", "sparse")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_zip_links_and_devices(mode: int, tmp_path: Path, refused: Refusal) -> None:
    """A zip member whose Unix mode is a link, a device or a pipe is refused."""
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as bundle:
        info = zipfile.ZipInfo("bad")
        info.create_system, info.external_attr = 3, (mode | 0o777) << 16
        bundle.writestr(info, "/etc/passwd")
    refused(tmp_path / "d.zip", "member 'bad' is a (link|device)")


def test_encrypted_zip(tmp_path: Path, refused: Refusal) -> None:
    """An encrypted member is refused by name."""
    archive = make_zip(tmp_path / "d.zip", {"secret": b"1"})
    raw = bytearray(archive.read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(raw)
    refused(archive, "member 'secret' is encrypted")


def test_repeated_member(tmp_path: Path, refused: Refusal) -> None:
    """The same name twice in a tar (the later one would win silently) is refused."""
    with tarfile.open(tmp_path / "d.tar", "w") as bundle:
        bundle.addfile(tarfile.TarInfo("a"))
        bundle.addfile(tarfile.TarInfo("a"))
    refused(tmp_path / "d.tar", "clashes with 'a'")


def test_a_hundred_thousand_members_and_one(tmp_path: Path, refused: Refusal) -> None:
    """The default count limit stops a zip with 100,001 entries, whatever its end record claims."""
    raw = make_zip(tmp_path / "d.zip", {"a": b""}).read_bytes()
    start, end = raw.index(b"PK\x01\x02"), raw.index(b"PK\x05\x06")
    entries = raw[start:end] * 100_001
    (tmp_path / "d.zip").write_bytes(
        raw[:start] + entries + raw[end : end + 12] + struct.pack("<IIH", len(entries), start, 0)
    )
    refused(tmp_path / "d.zip", "100,001 members, more than 100,000")


def test_bomb_in_the_names(tmp_path: Path, refused: Refusal) -> None:
    """A gzipped tar whose long name claims 256 MiB is refused before it is read into memory."""
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 256 << 20
    (tmp_path / "d.tgz").write_bytes(gzip.compress(info.tobuf() + bytes(1 << 20)))
    refused(tmp_path / "d.tgz", "names and headers in one piece")


def test_endless_extension_headers(tmp_path: Path, refused: Refusal) -> None:
    """A chain of extension headers, which tarfile follows by recursion, is damage and no traceback."""
    link = tarfile.TarInfo("x")
    link.type, link.size = tarfile.XHDTYPE, 0
    (tmp_path / "d.tgz").write_bytes(gzip.compress(link.tobuf() * 5000))
    refused(tmp_path / "d.tgz", "cut or damaged")


@pytest.mark.parametrize("claimed", [1, 100, 1 << 31])
def test_zip_header_that_lies_about_size(claimed: int, tmp_path: Path, refused: Refusal) -> None:
    """A member that holds more or less than its header says is refused."""
    archive = make_zip(tmp_path / "d.zip", {"a": b"x" * 50})
    raw = bytearray(archive.read_bytes())
    struct.pack_into("<I", raw, raw.index(b"PK\x01\x02") + 24, claimed)
    archive.write_bytes(raw)
    refused(archive, "member 'a'")


def test_flipped_bit(tmp_path: Path, refused: Refusal) -> None:
    """A zip member whose bytes do not match its CRC is refused by name."""
    archive = make_zip(tmp_path / "d.zip", {"a": b"x" * 50}, zipfile.ZIP_STORED)
    archive.write_bytes(archive.read_bytes().replace(b"x" * 50, b"x" * 49 + b"y"))
    refused(archive, "member 'a' is cut or damaged")


def test_tar_cut_between_members(tmp_path: Path, refused: Refusal) -> None:
    """A tar that ends cleanly after a member, without the end mark, is refused, too."""
    archive = make_plain_tar(tmp_path / "d.tar")
    os.truncate(archive, 1024)
    refused(archive, "end mark is missing")


def test_tar_damaged_between_members(tmp_path: Path, refused: Refusal) -> None:
    """A damaged header half-way, which tarfile takes for the end, is refused."""
    archive = make_plain_tar(tmp_path / "d.tar")
    raw = bytearray(archive.read_bytes())
    raw[1024 + 150] ^= 0x55
    archive.write_bytes(raw)
    refused(archive, "end mark is missing")
