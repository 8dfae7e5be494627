"""What is measured of one picture, and that it says the same of the same content in another size or format."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from loraruner.data.lines import BadValue
from loraruner.data.quality.picture_frames import frame_of
from loraruner.data.quality.picture_measures import Measured, measure, sharpness
from tests.support.drawn_pictures import draw
from tests.support.spoiled_pictures import exposed

GROUND = (30, 60, 120)


def scene(sort: str = "portrait", seed: int = 0, size: tuple[int, int] = (320, 256)) -> Image.Image:
    return draw(sort, np.random.default_rng(seed), *size)


def measured(image: Image.Image, folder: Path, suffix: str = ".png", **options: object) -> Measured:
    path = folder / f"picture{suffix}"
    image.save(path, **options)  # type: ignore[arg-type]
    return measure(path)


def distance(one: Measured, other: Measured) -> int:
    return (one.hash ^ other.hash).bit_count()


def test_size_is_as_shown(tmp_path: Path) -> None:
    """A picture that its EXIF turns is as wide as it is shown, and its hash is that of the turned picture."""
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = measured(scene(), tmp_path)
    turned = measured(scene().transpose(Image.Transpose.ROTATE_90), tmp_path, exif=exif)
    assert (turned.width, turned.height) == (320, 256)
    assert turned == upright


@pytest.mark.parametrize("sort", ["leaves", "landscape", "fog", "portrait", "line_art", "neon", "bokeh"])
def test_blur_takes_sharpness_away(sort: str, tmp_path: Path) -> None:
    """Of every sort, in fog and before a soft ground too, the sharp picture has 90 or more and the blurred one less."""
    image = scene(sort, size=(384, 384))
    assert measured(image, tmp_path).sharpness >= 90
    assert measured(image.filter(ImageFilter.GaussianBlur(5)), tmp_path).sharpness < 90


@pytest.mark.parametrize("value", [0, 128, 255])
def test_one_colour_has_no_sharpness(value: int) -> None:
    """Where nothing can be told from anything, nothing is sharp."""
    assert sharpness(np.full((64, 48), value, np.float32)) == 0


def test_contrast_does_not_matter() -> None:
    """The same edges in fog are as sharp: values scaled down by five change little."""
    edges = np.asarray(scene(size=(256, 256)).convert("L"), np.float32)
    assert sharpness(edges / 5 + 100) == pytest.approx(sharpness(edges), rel=0.15)


def test_a_regular_pattern_is_sharp() -> None:
    """What is everywhere the same is no noise as soon as it is stronger than a camera's."""
    rows, columns = np.mgrid[0:64, 0:64]
    assert sharpness(((rows // 2 + columns // 2) % 2 * 60 + 90).astype(np.float32)) > 100


def test_a_huge_soft_picture_is_as_soft_as_a_small_one(tmp_path: Path) -> None:
    """Sharpness is measured at one size: four times the pixels with four times the blur is the same picture."""
    small = scene("city", size=(256, 256)).filter(ImageFilter.GaussianBlur(3))
    large = small.resize((1024, 1024), Image.Resampling.BICUBIC)
    assert measured(large, tmp_path).sharpness == pytest.approx(measured(small, tmp_path).sharpness, rel=0.2)


@pytest.mark.parametrize("size", [(1, 1), (2, 200), (200, 2), (9, 9), (3, 1000)])
def test_pictures_of_few_pixels(size: tuple[int, int], tmp_path: Path) -> None:
    """Whatever has a pixel can be measured."""
    found = measured(Image.new("RGB", size, GROUND), tmp_path)
    assert (found.width, found.height, found.sharpness, found.framed) == (*size, 0, False)


def test_a_picture_of_one_line_takes_little_memory(tmp_path: Path) -> None:
    """However long a picture is, what is measured of it is small: 3,000,000 x 8 pixels take no more than their own."""
    Image.new("L", (3_000_000, 8), 128).save(tmp_path / "long.png")
    tracemalloc.start()
    found = measure(tmp_path / "long.png")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.width, found.height) == (3_000_000, 8)
    assert peak_bytes < 30 << 20


def test_shadows_and_highlights(tmp_path: Path) -> None:
    """A night scene with lit windows has highlights; a day scene five stops too dark has none."""
    assert measured(scene("night"), tmp_path).highlights > 100
    assert measured(exposed(scene("city"), -5), tmp_path).highlights < 50
    washed_out = measured(exposed(scene("city"), 3, flare=0.02), tmp_path)
    assert washed_out.shadows > 120 and washed_out.clipped > 0.1
    assert measured(scene("line_art"), tmp_path).shadows < 120
    assert measured(scene("snow"), tmp_path).clipped < 0.01


@pytest.mark.parametrize("sort", ["leaves", "portrait", "night", "gradient", "ink"])
def test_the_hash_of_a_copy(sort: str, tmp_path: Path) -> None:
    """Half the size, JPEG of quality 40 and a tenth more light change few of the 64 bits."""
    original = measured(scene(sort, size=(400, 320)), tmp_path)
    image = (
        scene(sort, size=(400, 320)).resize((200, 160)).point([min(255, value * 11 // 10) for value in range(256)] * 3)
    )
    assert distance(original, measured(image, tmp_path, ".jpg", quality=40)) <= 8


def test_the_hash_of_another_picture(tmp_path: Path) -> None:
    """Two scenes of one sort have far hashes."""
    assert distance(measured(scene("leaves", 1), tmp_path), measured(scene("leaves", 2), tmp_path)) > 16


def see_through(share: float, alpha: int = 0) -> Image.Image:
    image = Image.new("RGBA", (100, 100), (*GROUND, 255))
    image.paste((*GROUND, alpha), (0, 0, 100, round(100 * share)))
    return image


@pytest.mark.parametrize("share, alpha, expected", [(0.5, 0, True), (1, 128, True), (0.01, 0, True), (0.5, 250, False)])
def test_transparent_pixels(share: float, alpha: int, expected: bool, tmp_path: Path) -> None:
    """Pixels that can be seen through count, however few, those that nearly cannot don't."""
    assert measured(see_through(share, alpha), tmp_path).transparent is expected


def test_an_alpha_channel_alone_is_not_transparent(tmp_path: Path) -> None:
    """RGBA with full alpha hides nothing; a palette's transparent colour that is used does."""
    assert not measured(see_through(0), tmp_path).transparent
    assert measured(Image.new("P", (20, 20), 0), tmp_path, transparency=0).transparent
    assert not measured(Image.new("P", (20, 20), 1), tmp_path, transparency=0).transparent


FRAMES = {
    "frame": (12, 12, 12, 12),
    "instant picture": (10, 10, 10, 36),
    "bars above and below": (0, 50, 0, 50),
    "bars beside": (40, 0, 40, 0),
}


@pytest.mark.parametrize("widths", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("colour", ["white", "black", (200, 30, 90)])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_frames(widths: tuple[int, int, int, int], colour: str, suffix: str, tmp_path: Path) -> None:
    """Frames and bars of any colour are seen, after JPEG too, and blur within does not hide behind their edges."""
    left, top, right, bottom = widths
    image = scene("leaves", size=(300, 280)).filter(ImageFilter.GaussianBlur(6))
    whole = Image.new("RGB", (300 + left + right, 280 + top + bottom), colour)
    whole.paste(image, (left, top))
    found = measured(whole, tmp_path, suffix)
    assert found.framed
    assert found.sharpness < 90


@pytest.mark.parametrize(
    "sort", ["product", "portrait", "neon", "line_art", "night", "snow", "shapes", "gradient", "ink"]
)
def test_a_plain_ground_is_no_frame(sort: str, tmp_path: Path) -> None:
    """Things on a plain ground that fills the picture are not framed by it."""
    assert [measured(scene(sort, seed), tmp_path).framed for seed in range(6)] == [False] * 6


def test_too_thin_too_wide_and_one_sided() -> None:
    """A line at the edge, a thing with wide margins and one bar alone are no frames."""
    inner = np.random.default_rng(0).integers(60, 200, (200, 200)).astype(np.float32)

    def padded(*sides: tuple[int, int]) -> tuple[slice, slice] | None:
        grey = np.pad(inner, sides)
        return frame_of(grey, np.stack([grey.astype(np.uint8)] * 3, axis=-1))

    assert padded((1, 1), (1, 1)) is None
    assert padded((60, 60), (60, 60)) is None
    assert padded((30, 0), (0, 0)) is None
    assert padded((12, 12), (12, 12)) == (slice(12, 212), slice(12, 212))


def test_a_glow_is_no_frame() -> None:
    """What fades into a dark ground has no edge, though it ends along straight lines."""
    image = Image.new("L", (256, 256), 8)
    ImageDraw.Draw(image).rectangle((50, 50, 205, 205), outline=255, width=8)
    glow = np.maximum(np.asarray(image.filter(ImageFilter.GaussianBlur(14)), np.float32) * 2, 8)
    assert frame_of(glow, np.stack([glow.astype(np.uint8)] * 3, axis=-1)) is None


def png_of_zeros(side: int) -> bytes:
    """A small file that claims to be a grey picture of that many pixels a side."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ]
    packed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_hostile_pictures(tmp_path: Path) -> None:
    """Cut, empty, foreign and far too large files are refused with the reason, as training refuses them."""
    path = tmp_path / "hostile.png"
    scene("leaves").save(path)
    cases = {
        path.read_bytes()[:-5000]: "does not decode",
        b"": "is no PNG",
        b"GIF89a\x01\x00\x01\x00": "is no PNG",
        png_of_zeros(200_000): "more than 89,478,485 pixels",
    }
    for content, reason in cases.items():
        path.write_bytes(content)
        with pytest.raises(BadValue, match=reason):
            measure(path)


def test_modes(tmp_path: Path) -> None:
    """Grey, 16-bit, palette and CMYK pictures are measured like the RGB picture that one sees."""
    image = scene()
    grey = measured(image.convert("L"), tmp_path)
    deep = Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
    assert measured(deep, tmp_path) == grey
    assert distance(measured(image.quantize(64), tmp_path), measured(image, tmp_path)) <= 4
    assert distance(measured(image.convert("CMYK"), tmp_path, ".jpg"), measured(image, tmp_path)) <= 4
