"""Archives that mean harm, each written by a few lines."""

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

BLOCK = 512
END = bytes(20 * BLOCK)
Writer = Callable[[Path], None]


def tar_file(name: str, content: bytes = b"", **changes: object) -> bytes:
    """One member of a tar in GNU's format, with fields of its header replaced."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in changes.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + padded(content)


def padded(content: bytes) -> bytes:
    """``content`` up to the end of its block."""
    return content + bytes(-len(content) % BLOCK)


def pax(kind: bytes, **records: str | bytes) -> bytes:
    """An extended header (``tarfile.XHDTYPE`` or ``XGLTYPE``)."""
    body = b"".join(pax_record(key.replace("__", "."), value) for key, value in records.items())
    return tar_file("h", body, type=kind)


def pax_record(key: str, value: str | bytes) -> bytes:
    """``LENGTH KEY=VALUE``, the length counting itself."""
    rest = b" " + key.encode() + b"=" + (value.encode() if isinstance(value, str) else value) + b"\n"
    length = len(rest) + 1
    while len(rest) + len(str(length)) != length:
        length += 1
    return str(length).encode() + rest


def gzipped(path: Path, *parts: bytes, times: int = 1) -> None:
    """Write a gzipped tar of ``parts``, the whole of them repeated."""
    with gzip.open(path, "wb", 1) as stream:
        for _ in range(times):
            for part in parts:
                stream.write(part)
        stream.write(END)


def header_sum(header: bytes) -> bytes:
    """A tar header with its checksum set right."""
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def many_sparse_places(path: Path, num: int = 2_000_000) -> None:
    """A map of a sparse file (GNU 1.0) of millions of entries, which tarfile keeps as a list."""
    names = {"GNU__sparse__major": "1", "GNU__sparse__minor": "0", "GNU__sparse__name": "x"}
    body = f"{num}\n".encode() + b"0\n" * (2 * num)
    gzipped(path, pax(tarfile.XHDTYPE, **names), tar_file("s", body))


def old_sparse_blocks(path: Path, num: int = 20_000) -> None:
    """The same in GNU's old format: a chain of blocks that each announce another."""
    header = bytearray(tar_file("s"))
    header[156:157], header[482] = b"S", 1
    block = (b"00000000001\0" * 42)[:504] + b"\1" + bytes(7)
    gzipped(path, header_sum(bytes(header)), block * num)


def settings_for_all(path: Path, num: int = 300) -> None:
    """Hundreds of global headers of 60 KB: tarfile gives every later member a copy of them."""
    parts = [pax(tarfile.XGLTYPE, **{f"k{at}": "x" * 60_000}) + tar_file(f"m{at}") for at in range(num)]
    gzipped(path, *parts)


def long_headers(path: Path, num: int = 12_000) -> None:
    """Every member with 60 KB of headers that are kept with it."""
    gzipped(path, pax(tarfile.XHDTYPE, k="x" * 60_000), tar_file("__MACOSX/m"), times=num)


def folders_by_name(path: Path, num: int = 4000) -> None:
    """A few members, each of which implies thirty folders of its own."""
    names = ["/".join(f"{at}-{depth}" for depth in range(31)) for at in range(num)]
    gzipped(path, *(tar_file(name) for name in names))


def folders_with_content(path: Path, num: int = 2000) -> None:
    """Folders that announce gigabytes: whoever reads past them goes back in the gzip each time."""
    gzipped(path, *(tar_file(f"__MACOSX/{at}", type=tarfile.DIRTYPE, size=1 << 33) for at in range(num)))


def overlapped(path: Path, num: int = 50_000) -> None:
    """A zip whose entries are all the same bytes, 1 MiB each when unpacked."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("0", bytes(1 << 20))
    raw = path.read_bytes()
    start, end = raw.index(b"PK\x01\x02"), raw.index(b"PK\x05\x06")
    entry = raw[start:end]
    names = (f"{at:06d}".encode() for at in range(num))
    entries = b"".join(entry[:28] + struct.pack("<H", 6) + entry[30:46] + name for name in names)
    close = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, num % 65536, num % 65536, len(entries), start, 0)
    path.write_bytes(raw[:start] + entries + close)


def directory_of_nothing(path: Path, num: int = 700_000) -> None:
    """A zip of 32 MB that is all directory."""
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("a", b"")
    raw = path.read_bytes()
    start, end = raw.index(b"PK\x01\x02"), raw.index(b"PK\x05\x06")
    entries = raw[start:end] * num
    path.write_bytes(raw[:start] + entries + raw[end : end + 12] + struct.pack("<IIH", len(entries), start, 0))


def zip_with(name: str, content: bytes, **changes: object) -> Writer:
    """A writer of a zip of one member, with fields of it replaced."""

    def write(path: Path) -> None:
        info = zipfile.ZipInfo(name)
        for field, value in changes.items():
            setattr(info, field, value)
        with zipfile.ZipFile(path, "w") as bundle:
            bundle.writestr(info, content, compress_type=zipfile.ZIP_DEFLATED)

    return write


def two_names(path: Path) -> None:
    """A zip whose directory says one name and whose member says another."""
    zip_with("good.png", b"1")(path)
    path.write_bytes(path.read_bytes().replace(b"good.png", b"../../ev", 1))


def tar_of(*members: bytes) -> Writer:
    """A writer of a plain tar."""

    def write(path: Path) -> None:
        path.write_bytes(b"".join(members) + END)

    return write


def link_then_through(kind: bytes, target: str) -> Writer:
    """A link out of the folder, then a file through it."""
    return tar_of(tar_file("l", type=kind, linkname=target), tar_file("l/evil", b"1"), tar_file("l", b"1"))


def nested(path: Path, depth: int = 6) -> None:
    """A bomb in an archive in an archive, and so on."""
    inner = gzip.compress(bytes(4 << 20))
    for _ in range(depth):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
            for number in range(4):
                bundle.writestr(f"{number}.zip", inner)
        inner = stream.getvalue()
    path.write_bytes(inner)


OUT = "../../../evil/x"
REFUSED: dict[str, Writer] = {
    "UNC name": zip_with("\\\\host\\share\\x", b"1"),
    "drive": zip_with("D:x", b"1"),
    "dots after a folder": tar_of(tar_file("a/b/../../../evil/x", b"1")),
    "absolute by two slashes": tar_of(tar_file("//evil/x", b"1")),
    "path in an extended header": tar_of(pax(tarfile.XHDTYPE, path=OUT), tar_file("good", b"1")),
    "NUL in an extended header": tar_of(pax(tarfile.XHDTYPE, path="a\0b"), tar_file("good", b"1")),
    "path for all members": tar_of(pax(tarfile.XGLTYPE, path=OUT), tar_file("good", b"1")),
    "link, then through it": link_then_through(tarfile.SYMTYPE, "../../../evil"),
    "hard link, then through it": link_then_through(tarfile.LNKTYPE, "../secret"),
    "link in an extended header": tar_of(
        pax(tarfile.XHDTYPE, linkpath="/etc/passwd"), tar_file("l", type=tarfile.SYMTYPE)
    ),
    "negative size": tar_of(pax(tarfile.XHDTYPE, size="-512"), tar_file("good", b"1")),
    "negative size in the header": tar_of(header_sum(tar_file("g")[:124] + b"\xff" * 12 + tar_file("g")[136:512])),
    "size of years": tar_of(pax(tarfile.XHDTYPE, size=str(1 << 62)), tar_file("good", b"1")),
    "size that is no number": tar_of(pax(tarfile.XHDTYPE, GNU__sparse__size="x"), tar_file("good", b"1")),
    "device by number": tar_of(tar_file("d", type=tarfile.BLKTYPE, devmajor=8, devminor=0)),
    "unknown kind": tar_of(tar_file("d", type=b"Z")),
    "continued volume": tar_of(tar_file("d", b"1", type=b"M")),
    "sparse map": many_sparse_places,
    "sparse blocks": old_sparse_blocks,
    "settings for all": settings_for_all,
    "entries that overlap": overlapped,
    "name of 2,000 parts": tar_of(pax(tarfile.XHDTYPE, path="a/" * 2000 + "b"), tar_file("good")),
    "name of 60 KB": tar_of(pax(tarfile.XHDTYPE, path="x" * 60_000), tar_file("good")),
    "two members of one name": tar_of(tar_file("a", b"1"), tar_file("a", b"2")),
    "names that look alike": tar_of(tar_file("caf\u00e9/a", b"1"), tar_file("cafe\u0301/b", b"2")),
    "long end": lambda path: gzipped(path, tar_file("a", b"1"), bytes(64 << 20)),
}
# Nothing in these leaves the folder or grows: they are unpacked, or refused.
HARMLESS: dict[str, Writer] = {
    "two names": two_names,
    "nested": nested,
    "folders with content": folders_with_content,
    "names that Windows keeps for devices": tar_of(tar_file("con", b"1"), tar_file("aux.txt", b"1")),
    "extended header for nobody": tar_of(tar_file("a"), pax(tarfile.XHDTYPE, path=OUT)),
}
BOMBS: dict[str, Writer] = {
    **{name: REFUSED[name] for name in ("sparse map", "sparse blocks", "settings for all", "entries that overlap")},
    "long end": REFUSED["long end"],
    "long headers": long_headers,
    "directory of nothing": directory_of_nothing,
}
