"""Pictures in a folder: which are used, with which caption, and why the others are not."""

import hashlib
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loraruner.data.pictures import open_rgb, scan_pictures
from loraruner.data.samples import Picture, Scan, require_usable
from loraruner.errors import DataInvalid, InputMissing

RED = (200, 30, 40)


def save(
    path: Path, mode: str = "RGB", colour: object = RED, size: tuple[int, int] = (16, 12), **options: object
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)  # type: ignore[arg-type]
    return path


def captioned(path: Path, caption: str = "a red square", suffix: str = ".txt") -> Path:
    save(path)
    path.with_suffix(suffix).write_text(caption)
    return path


def scan(folder: Path, metadata: str | None = None, min_side: int = 0) -> Scan[Picture]:
    return scan_pictures(folder, metadata=metadata, min_side=min_side)


def reasons(found: Scan[Picture]) -> dict[str, str]:
    return {bad.name: bad.reason for bad in found.skipped}


def png_header(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG that claims a size, 8-bit grey."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", body),
        (b"IEND", b""),
    ]
    packed = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_every_kind_in_order_of_path(tmp_path: Path) -> None:
    """All five suffixes in any case and depth are found, sorted by path, with the digest of the bytes."""
    names = ["b/x.JPG", "a.png", "c.webp", "b/a.bmp", "d.jpeg"]
    for name in names:
        captioned(tmp_path / name, f"caption of {name}")
    found = scan(tmp_path)
    assert [(p.id, p.caption) for p in found.samples] == [(n, f"caption of {n}") for n in sorted(names)]
    assert all(p.sha256 == hashlib.sha256(p.path.read_bytes()).hexdigest() for p in found.samples)
    assert found.skipped == ()


def test_where_captions_come_from(tmp_path: Path) -> None:
    """Metadata first, then .txt, then .caption; white space becomes single spaces, a BOM is dropped."""
    for name in ("1.png", "2.png", "3.png", "4.png"):
        save(tmp_path / name)
    (tmp_path / "metadata.csv").write_text("filename,prompt\n1.png,from csv\n4.png,\n")
    (tmp_path / "1.txt").write_text("from txt")
    (tmp_path / "2.txt").write_bytes(b"\xef\xbb\xbf from\n  txt \n")
    (tmp_path / "2.caption").write_text("not this")
    (tmp_path / "3.caption").write_text("from caption")
    found = scan(tmp_path)
    assert [p.caption for p in found.samples] == ["from csv", "from txt", "from caption"]
    assert reasons(found) == {"4.png": "no caption: add it to metadata.csv or a .txt beside"}


def test_pictures_for_a_captioner(tmp_path: Path) -> None:
    """When asked, a picture without a caption is kept with an empty one; a caption that cannot be read is a fault."""
    names = [save(tmp_path / f"{name}.png").name for name in ("captioned", "empty", "listed", "none", "torn")]
    (tmp_path / "metadata.csv").write_text("filename,prompt\ncaptioned.png,a red square\nlisted.png,\n")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "torn.txt").write_bytes(b"\xff")
    found = scan_pictures(tmp_path, metadata=None, keep_uncaptioned=True)
    assert {p.id: p.caption for p in found.samples} == dict.fromkeys(names[:4], "") | {names[0]: "a red square"}
    assert reasons(found) == {"torn.png": "its caption torn.txt is not UTF-8, or too long"}
    assert len(scan(tmp_path).samples) == 1


def test_bad_sidecars(tmp_path: Path) -> None:
    """A sidecar that is empty, not UTF-8 or too long costs its picture, with the reason."""
    for name, content in {"a": b" \n", "b": b"caf\xe9", "c": b"x" * 20_000, "d": b"x" * 80_000}.items():
        save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_bytes(content)
    found = reasons(scan(tmp_path))
    assert found["a.png"] == "its caption a.txt is empty"
    assert "not UTF-8" in found["b.png"]
    assert "20,000 characters" in found["c.png"]
    assert "more than" in found["d.png"]


def test_metadata_and_disk_disagree(tmp_path: Path) -> None:
    """A row without its file, a row twice, and a file of another kind are each named."""
    save(tmp_path / "a.png")
    (tmp_path / "notes.pdf").write_text("x")
    (tmp_path / "metadata.csv").write_text("a.png,one\ngone.png,two\na.png,three\nnotes.pdf,four\n")
    found = scan(tmp_path)
    assert [p.caption for p in found.samples] == ["one"]
    assert reasons(found)["gone.png"] == "listed in metadata.csv but not there"
    assert "listed twice" in reasons(found)["metadata.csv:3"]
    assert "none of .png" in reasons(found)["notes.pdf"]


def test_half_the_pictures_corrupt(tmp_path: Path) -> None:
    """Cut, flipped and empty files are skipped with a reason without a path; too many of them are 65."""
    for i in range(4):
        captioned(tmp_path / f"good{i}.png")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    damage = {
        "cut.jpg": slice(None, -700),
        "cut.png": slice(None, -500),
        "tail.png": slice(None, -8),
        "empty.png": slice(0, 0),
    }
    for name in (*damage, "flip.png"):
        Image.fromarray(noise).save(captioned(tmp_path / name), compress_level=0)  # pixels stand plainly
    for name, part in damage.items():
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[part])
    flipped = bytearray((tmp_path / "flip.png").read_bytes())
    flipped[5000] ^= 1  # one bit of one pixel: only a checksum tells
    (tmp_path / "flip.png").write_bytes(flipped)
    found = scan(tmp_path)
    assert len(found.samples) == 4
    assert set(reasons(found)) == {*damage, "flip.png"}
    assert not any(str(tmp_path) in reason for reason in reasons(found).values())
    require_usable(found, 0.56, "data")
    with pytest.raises(DataInvalid, match="5 of 9 samples are bad"):
        require_usable(found, 0.5, "data")


def test_content_counts_not_the_suffix(tmp_path: Path) -> None:
    """A JPEG named .png is used; a GIF or a text named .png, and pictures of other kinds, are not."""
    save(captioned(tmp_path / "jpeg.png"), format="JPEG")
    save(captioned(tmp_path / "gif.png"), format="GIF")
    captioned(tmp_path / "svg.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    captioned(tmp_path / "x.gif")
    found = scan(tmp_path)
    assert [p.id for p in found.samples] == ["jpeg.png"]
    assert reasons(found)["gif.png"] == reasons(found)["svg.png"] == "is no PNG, JPEG, WEBP or BMP picture"
    assert "convert it" in reasons(found)["x.gif"]


def test_giant_picture_costs_no_memory(tmp_path: Path) -> None:
    """A real 50,000 x 50,000 PNG (2.4 MB of file, 2.5 GB of pixels) is refused before it is decoded."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    rows = packer.compress(bytes(20 * 50_001)) + packer.flush(zlib.Z_FULL_FLUSH)  # may be repeated
    num_bytes = 50_000 * 50_001
    adler = (num_bytes % 65_521) << 16 | 1  # of that many zeros
    body = b"\x78\xda" + rows * 2500 + packer.flush() + struct.pack(">I", adler)
    captioned(tmp_path / "giant.png").write_bytes(png_header(50_000, 50_000, body))
    program = (
        "import resource, sys; from pathlib import Path; from loraruner.data.pictures import scan_pictures;"
        "from PIL import Image; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "found = scan_pictures(Path(sys.argv[1]), metadata=None);"
        "print(found.skipped[0].reason, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, sep='|')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    reason, grown_kib = done.stdout.split("|")
    assert "89,478,485 pixels" in reason
    assert int(grown_kib) < 50_000


def test_too_large_even_below_pillows_own_error(tmp_path: Path) -> None:
    """Between Pillow's warning and its error (89 to 178 million pixels) a picture is refused as well."""
    captioned(tmp_path / "large.png").write_bytes(png_header(10_000, 9_000))
    tracemalloc.start()
    with pytest.warns(Image.DecompressionBombWarning):
        found = scan(tmp_path)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "10000 x 9000 is more than 89,478,485 pixels" in reasons(found)["large.png"]
    assert peak_bytes < 20 << 20


def test_shorter_side(tmp_path: Path) -> None:
    """A picture smaller than min_side is skipped with its size; equal is enough."""
    save(captioned(tmp_path / "a.png"), size=(64, 60))
    save(captioned(tmp_path / "b.png"), size=(64, 64))
    found = scan(tmp_path, min_side=64)
    assert [p.id for p in found.samples] == ["b.png"]
    assert reasons(found)["a.png"] == "64 x 60 pixels: the shorter side must have at least 64"


def test_links_pipes_and_hidden_files(tmp_path: Path) -> None:
    """Links (to files, to folders) and pipes are refused by name, never opened; hidden files are ignored."""
    data = tmp_path / "data"
    captioned(data / "a.png")
    captioned(data / ".hidden.png")
    captioned(data / ".cache" / "b.png")
    captioned(tmp_path / "outside" / "secret.png")
    (data / "link.png").symlink_to(tmp_path / "outside" / "secret.png")
    (data / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(data / "pipe.png")
    found = scan(data)
    assert [p.id for p in found.samples] == ["a.png"]
    assert set(reasons(found)) == {"link.png", "folder", "pipe.png"}
    assert reasons(found)["folder"].startswith("is a link")


def test_linked_caption_is_not_read(tmp_path: Path) -> None:
    """A sidecar or metadata file that is a link does not become a caption."""
    (tmp_path / "secret").write_text("root:x:0:0")
    save(tmp_path / "data" / "a.png")
    (tmp_path / "data" / "a.txt").symlink_to(tmp_path / "secret")
    (tmp_path / "data" / "metadata.csv").symlink_to(tmp_path / "secret")
    found = scan(tmp_path / "data")
    assert found.samples == ()
    assert set(reasons(found)) == {"a.png", "a.txt", "metadata.csv"}


def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    """A picture whose name is no UTF-8 is skipped under a name that can be printed."""
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb") as stream:
        stream.write(b"x")
    (bad,) = scan(tmp_path).skipped
    assert "rename" in bad.reason
    assert bad.name.encode()


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there is 66."""
    with pytest.raises(InputMissing, match="no such folder"):
        scan(tmp_path / "gone")


@pytest.mark.parametrize(
    "mode, colour, expected",
    [
        ("RGB", RED, RED),
        ("L", 128, (128, 128, 128)),
        ("1", 1, (255, 255, 255)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (*RED, 255), RED),
        ("LA", (0, 128), (127, 127, 127)),
        ("I;16", 32_896, (128, 128, 128)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_open_rgb_modes(mode: str, colour: object, expected: tuple[int, int, int], tmp_path: Path) -> None:
    """Every PNG mode becomes the RGB one sees: transparency on white, 16 bit scaled and not clipped."""
    image = open_rgb(save(tmp_path / "a.png", mode, colour))
    assert (image.mode, image.size, image.getpixel((3, 3))) == ("RGB", (16, 12), expected)


def test_open_rgb_palette_transparency(tmp_path: Path) -> None:
    """A palette's transparent colour becomes white."""
    assert open_rgb(save(tmp_path / "a.png", "P", 0, transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_open_rgb_cmyk(tmp_path: Path) -> None:
    """A CMYK JPEG becomes RGB."""
    pixel = open_rgb(save(tmp_path / "a.jpg", "CMYK", (0, 255, 255, 0))).getpixel((3, 3))
    assert pixel[0] > 200 and pixel[1] < 60 and pixel[2] < 60


def test_open_rgb_turns_as_exif_says(tmp_path: Path) -> None:
    """Orientation 6 turns a 16 x 12 picture into 12 x 16, pixels along with it."""
    image = Image.new("RGB", (16, 12))
    image.paste("white", (0, 0, 8, 6))  # top left
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    turned = open_rgb(tmp_path / "a.png")
    assert turned.size == (12, 16)
    assert turned.getpixel((11, 0)) == (255, 255, 255)
    assert turned.getpixel((0, 0)) == (0, 0, 0)


def test_open_rgb_takes_the_first_frame(tmp_path: Path) -> None:
    """Of an animated picture the first frame is used."""
    frames = [Image.new("RGB", (16, 12), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    assert open_rgb(tmp_path / "a.png").getpixel((3, 3)) == (255, 255, 255)


def test_open_rgb_names_the_file(tmp_path: Path) -> None:
    """A file that does not decode is 65, named with its path."""
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataInvalid, match=r"a\.png: is no PNG"):
        open_rgb(tmp_path / "a.png")
