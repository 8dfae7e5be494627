"""Pictures that decode, and fail when they become RGB."""

import struct
import zlib
from pathlib import Path

from PIL import Image

from loraruner.data.pictures import scan_pictures


def test_a_picture_that_decodes_and_cannot_be_converted(tmp_path: Path) -> None:
    """Transparency of more colours than a palette may have shows when it becomes RGB: skipped by the scan already."""
    Image.new("P", (8, 8)).save(tmp_path / "a.png", transparency=bytes(256))
    raw = (tmp_path / "a.png").read_bytes()
    start = raw.index(b"tRNS")
    chunk = b"tRNS" + bytes(300)
    made = struct.pack(">I", 300) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = start + 4 + int.from_bytes(raw[start - 4 : start], "big") + 4
    (tmp_path / "a.png").write_bytes(raw[: start - 4] + made + raw[end:])
    (tmp_path / "a.txt").write_text("a caption")
    scan = scan_pictures(tmp_path, metadata=None)
    assert scan.samples == ()
    assert scan.skipped[0].name == "a.png" and "does not decode: palette" in scan.skipped[0].reason
