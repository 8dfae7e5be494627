"""Pictures with captions in a folder: each is decoded once before it may be trained on."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loraruner.data.captions import NoText, listed_in_vain, text_of
from loraruner.data.folders import list_files
from loraruner.data.kinds import PICTURES
from loraruner.data.lines import BadValue
from loraruner.data.metadata import Captions, read_captions
from loraruner.data.samples import Picture, Scan, Skipped
from loraruner.errors import DataInvalid
from loraruner.files import digest_file

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
MAX_PIXELS = 89_478_485  # where Pillow itself begins to warn of decompression bombs
MAX_PICTURE_BYTES = 512 << 20
SIXTEEN_TO_EIGHT_BITS = 1 / 257

# What Pillow's decoders raise on broken files.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    OverflowError,
    EOFError,
    struct.error,
    zlib.error,
)


def scan_pictures(
    folder: Path, *, metadata: str | None, min_side: int = 0, keep_uncaptioned: bool = False
) -> Scan[Picture]:
    """Find every .png, .jpg, .jpeg, .webp and .bmp below ``folder`` that decodes and has a caption.

    Captions come from the file ``metadata`` (None: metadata.csv or metadata.jsonl where there is one), else
    from a .txt or .caption beside the picture. With ``keep_uncaptioned`` a picture without one is kept with the
    caption "", as a captioner is to follow. Pictures whose shorter side has fewer than ``min_side`` pixels are
    skipped. Raises what ``metadata.read_captions`` raises.
    """
    listing = list_files(folder)
    captions = read_captions(listing.files, metadata, folder)
    skipped = [*listing.skipped, *captions.skipped, *listed_in_vain(captions, listing.files, PICTURES)]
    pictures: list[Picture] = []
    for name, path in listing.files.items():
        suffix = path.suffix.lower()
        if suffix not in PICTURES.all_suffixes:
            continue
        try:
            if suffix in PICTURES.foreign_suffixes:
                raise BadValue(f"{suffix} {PICTURES.advice}")
            caption = _caption(name, captions, listing.files, keep_uncaptioned)
            _check(path, min_side)
            pictures.append(Picture(name, path, caption, digest_file(path).sha256))
        except BadValue as fault:
            skipped.append(Skipped(name, str(fault)))
    return Scan(tuple(pictures), tuple(sorted(skipped, key=lambda bad: bad.name)))


def open_rgb(path: Path) -> Any:
    """The picture as a PIL image in RGB: turned as its EXIF says, transparency on white, 16 bit scaled to 8.

    DataInvalid (65) when it does not decode, is of another format or has more than MAX_PIXELS.
    """
    try:
        return decode(path, to_rgb)
    except BadValue as fault:
        raise DataInvalid(f"{path}: {fault}; replace or remove the picture") from fault


def _caption(name: str, captions: Captions, files: dict[str, Path], keep_uncaptioned: bool) -> str:
    try:
        return text_of(name, captions, files, PICTURES)
    except NoText:
        if keep_uncaptioned:
            return ""
        raise


def _check(path: Path, min_side: int) -> None:
    width, height = decode(path, _size_once_converted)
    if min(width, height) < min_side:
        raise BadValue(f"{width} x {height} pixels: the shorter side must have at least {min_side}")


def _size_once_converted(image: Any) -> tuple[int, int]:
    """Its size. One pixel is converted, with the palette and transparency of all: some files fail no sooner."""
    to_rgb(image.crop((0, 0, 1, 1)))
    size: tuple[int, int] = image.size
    return size


def decode(path: Path, finish: Callable[[Any], Any] = lambda image: image) -> Any:
    """Check the whole file, then decode it: what ``finish`` makes of a PIL image, turned as its EXIF says.

    Raises BadValue with the reason, also for what Pillow raises in ``finish``.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        if path.stat().st_size > MAX_PICTURE_BYTES:
            raise BadValue(f"larger than {MAX_PICTURE_BYTES:,} bytes")
        with Image.open(path, formats=FORMATS) as image:
            _require_size(image.size)
            image.verify()  # checksums of every PNG chunk; the image is spent by it
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return finish(image)
    except bombs:
        raise BadValue(f"more than {MAX_PIXELS:,} pixels: scale it down") from None
    except UnidentifiedImageError:
        raise BadValue(f"is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture") from None
    except BROKEN as error:
        raise BadValue(f"does not decode: {error}") from error


def _require_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise BadValue(f"{size[0]} x {size[1]} is more than {MAX_PIXELS:,} pixels: scale it down")


def to_rgb(image: Any) -> Any:
    """A decoded picture in RGB: transparency on white, 16-bit grey scaled to 8."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16-bit grey, which convert("RGB") would clip at 255
        return image.convert("I").point(lambda value: value * SIXTEEN_TO_EIGHT_BITS).convert("L").convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
