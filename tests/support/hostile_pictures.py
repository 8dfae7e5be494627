"""Picture files that mean harm, each written by a few lines."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*extra: bytes, width: int = 64, height: int = 64, depth: int = 8, rows: bytes | None = None) -> bytes:
    """A grey PNG with further chunks before its pixels; ``rows`` in place of the zeros that fill it."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    pixels = bytes((width * depth // 8 + 1) * height) if rows is None else rows
    parts = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(pixels, 1)), chunk(b"IEND", b""))
    return SIGNATURE + b"".join(parts)


def with_right_sums(raw: bytes) -> bytes:
    """A damaged PNG whose chunks have right checksums again, so that their content is read."""
    mended, place = bytearray(raw[:8]), 8
    while place + 12 <= len(raw):
        size = int.from_bytes(raw[place : place + 4], "big")
        if place + 12 + size > len(raw):
            break
        mended += chunk(raw[place + 4 : place + 8], raw[place + 8 : place + 8 + size])
        place += 12 + size
    return bytes(mended + raw[place:])


def drawn(form: str, mode: str = "RGB", **options: Any) -> bytes:
    """A small picture as Pillow writes it."""
    from PIL import Image

    stream = io.BytesIO()
    Image.radial_gradient("L").resize((24, 16)).convert("RGB").convert(mode).save(stream, form, **options)
    return stream.getvalue()


def frames(form: str, count: int) -> bytes:
    """An animated picture."""
    from PIL import Image

    more = [Image.new("RGB", (16, 16), (at % 256, at // 256, 7)) for at in range(count)]
    return drawn(form, save_all=True, append_images=[each.resize((24, 16)) for each in more])


def exif(num_entries: int) -> bytes:
    """EXIF whose directory has many entries, announces more, and is its own successor."""
    entry = struct.pack("<HHII", 0x0112, 4, 1 << 30, 8)
    directory = struct.pack("<H", min(num_entries + 9, 65535)) + entry * num_entries + struct.pack("<I", 8)
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + directory


def seeds() -> dict[str, bytes]:
    """One sound picture of each kind that is read, to be damaged."""
    from PIL import Image

    notes = Image.Exif()
    notes[0x0112], notes[0x010E], notes[0x011A] = 6, "text", (72, 1)
    return {
        "png": drawn("PNG", exif=notes),
        "palette": drawn("PNG", "P", transparency=3),
        "16 bit": drawn("PNG", "I;16"),
        "moving png": frames("PNG", 2),
        "jpeg": drawn("JPEG", exif=notes, icc_profile=b"x" * 300),
        "cmyk": drawn("JPEG", "CMYK", progressive=True),
        "webp": drawn("WEBP", exif=notes, xmp=b"<x/>"),
        "moving webp": frames("WEBP", 2),
        "bmp": drawn("BMP"),
        "bmp palette": drawn("BMP", "P"),
    }


def _jpeg_with(segment: bytes) -> bytes:
    raw = drawn("JPEG")
    return raw[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + raw[2:]


def _bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        bundle.writestr("../../evil/x", b"1")
    return stream.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><image href="file:///etc/passwd"/></svg>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(gs-ran) (w) file closefile\nshowpage\n%%EOF\n"
# A name, the bytes, and whether the picture is used (its pixels are sound, and what hangs on it is never opened).
CORPUS: dict[str, tuple[str, Callable[[], bytes], bool]] = {
    "900 million pixels": ("a.png", lambda: png(width=30_000, height=30_000, rows=bytes(1000)), False),
    "a million pixels in a row": ("a.png", lambda: png(width=1_000_000, height=1), True),
    "a million rows": ("a.png", lambda: png(width=1, height=1_000_000), True),
    "no width": ("a.png", lambda: png(width=0), False),
    "no file": ("a.png", bytes, False),
    "profile bomb": ("a.png", lambda: png(chunk(b"iCCP", b"p\0\0" + _bomb(64 << 20))), False),
    "text bomb": ("a.png", lambda: png(chunk(b"zTXt", b"t\0\0" + _bomb(64 << 20))), False),
    "text bomb in UTF-8": ("a.png", lambda: png(chunk(b"iTXt", b"t\0\1\0\0\0" + _bomb(64 << 20))), False),
    "thousands of texts": ("a.png", lambda: png(*[chunk(b"zTXt", b"t\0\0" + _bomb(1 << 20))] * 100), False),
    "pixels bomb": ("a.png", lambda: png(rows=bytes(64 << 20)), True),
    "exif that loops": ("a.jpg", lambda: _jpeg_with(exif(5000)), True),
    "exif in a png": ("a.png", lambda: png(chunk(b"eXIf", exif(60_000)[6:])), True),
    "2,000 frames": ("a.png", lambda: frames("PNG", 2000), True),
    "500 frames": ("a.webp", lambda: frames("WEBP", 500), True),
    "gif of 500 frames": ("a.png", lambda: frames("GIF", 500), False),
    "page after the picture": ("a.png", lambda: png() + b"<html><script>alert(1)</script>", True),
    "archive after the picture": ("a.png", lambda: png() + _zip(), True),
    "archive under the name": ("a.jpg", _zip, False),
    "SVG under the name": ("a.png", lambda: SVG, False),
    "EPS under the name": ("a.jpg", lambda: EPS, False),
    "EPS in a picture's clothes": (
        "a.bmp",
        lambda: b"\xc5\xd0\xd3\xc6" + struct.pack("<7I", 32, 99, 0, 0, 0, 0, 0) + EPS,
        False,
    ),
    "PDF under the name": ("a.webp", lambda: b"%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>endobj", False),
    "TIFF whose directories loop": ("a.png", lambda: exif(3)[6:], False),
    "CMYK": ("a.jpg", lambda: drawn("JPEG", "CMYK"), True),
    "bits that no PNG has": ("a.png", lambda: png(depth=7), False),
}
