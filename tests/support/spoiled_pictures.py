"""A training set of 200 good and 100 spoiled pictures with captions, drawn from a seed, and what is wrong with which.

How far a picture is spoiled is drawn as well, from what one just minds upwards, by what happens to pictures (exposure
stops, blur in shares of the side, bytes cut off), never by what a check measures.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.support.drawing import Random, colour, noisy, polygon, to_image
from tests.support.drawn_pictures import SORTS, draw
from tests.support.spoiled_captions import CAPTION_FAULTS, Captions

NUM_GOOD = 200
MIN_SIDE = 256
MAX_ASPECT = 2.5
SIDES = (256, 288, 320, 384, 448, 512, 640)
DARK_SORTS = ("night", "neon")

Spoil = Callable[[Image.Image, Random], Image.Image]


@dataclass
class Drawn:
    """What is written: pictures by name, captions, and the truth: kind of finding to names."""

    folder: Path
    random: Random
    truth: dict[str, set[str]] = field(default_factory=dict)

    def fault(self, kind: str, name: str) -> None:
        """Note that a picture has a fault."""
        self.truth.setdefault(kind, set()).add(name)


def write_set(folder: Path, seed: int) -> dict[str, set[str]]:
    """Write pictures with a caption beside each; returns the names with each kind of fault.

    Of two that look alike or have the same caption, the later by name has the fault. Names say nothing of faults.
    """
    drawn = Drawn(folder, np.random.default_rng(seed))
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [int(number) for number in drawn.random.permutation(NUM_GOOD + 100)]
    captions = Captions(drawn.random)
    sorts = [list(SORTS)[index % len(SORTS)] for index in range(NUM_GOOD)]
    good = [(_write_good(drawn, sort, numbers.pop()), sort) for sort in sorts]
    for name, sort in good:
        captions.good(name, sort)
    for kind, (count, write) in FAULTS.items():
        for _ in range(count):
            name, sort = write(drawn, f"{numbers.pop():03}", good)
            captions.good(name, sort)
            if kind != "near_duplicate":
                drawn.fault(kind, name)
    for kind, count in CAPTION_FAULTS.items():
        for _ in range(count):
            sort = _any_sort(drawn.random)
            name = _write_good(drawn, sort, numbers.pop())
            drawn.fault(kind, captions.spoiled(kind, name, sort))
    captions.write(folder)
    return drawn.truth


def _any_sort(random: Random, without: tuple[str, ...] = ()) -> str:
    return str(random.choice([sort for sort in SORTS if sort not in without]))


def _any_size(random: Random) -> tuple[int, int]:
    side = int(random.choice(SIDES))
    longer = round(
        side * float(random.choice([1, 1, 1.25, 1.33, 1.5, 1.78, 2.3], p=[0.2, 0.2, 0.15, 0.15, 0.2, 0.07, 0.03]))
    )
    return (side, longer) if random.random() < 0.4 else (longer, side)


def _scene(random: Random, without: tuple[str, ...] = ()) -> tuple[Image.Image, str]:
    sort = _any_sort(random, without)
    return draw(sort, random, *_any_size(random)), sort


def _write_good(drawn: Drawn, sort: str, number: int) -> str:
    return _save(draw(sort, drawn.random, *_any_size(drawn.random)), drawn, f"{number:03}")


def _save(image: Image.Image, drawn: Drawn, stem: str) -> str:
    """In any format, some turned with an EXIF mark to turn them back, some with an alpha channel that hides nothing."""
    random = drawn.random
    suffix = str(random.choice([".png", ".jpg", ".webp", ".bmp"], p=[0.4, 0.45, 0.1, 0.05]))
    path = drawn.folder / f"{stem}{suffix}"
    if suffix == ".png" and random.random() < 0.1:
        image.putalpha(255)
    if suffix == ".jpg" and random.random() < 0.15:
        exif = Image.Exif()
        exif[0x0112] = 6  # shown turned by 90 degrees to the right
        image.transpose(Image.Transpose.ROTATE_90).save(path, quality=90, exif=exif)
    else:
        image.save(path, quality=int(random.integers(72, 97)))
    if max(image.size) > MAX_ASPECT * min(image.size):  # a frame may have made it so
        drawn.fault("extreme_aspect", path.name)
    return path.name


def blurred(image: Image.Image, random: Random) -> Image.Image:
    """Out of focus, or enlarged from a small picture; then noise."""
    unit = min(image.size) / 512
    kind = int(random.integers(3))
    if kind == 0:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(2.2, 7) * unit))
    elif kind == 1:
        image = image.filter(ImageFilter.BoxBlur(random.uniform(3.5, 10) * unit))
    else:
        scale = random.uniform(56, 105) / min(image.size)
        small = image.resize([round(side * scale) for side in image.size], Image.Resampling.BOX)
        image = small.resize(image.size, Image.Resampling.BICUBIC)
    return noisy(image, random, random.uniform(0, 2))


def shaken(image: Image.Image, random: Random) -> Image.Image:
    """Moved along a line while the shutter was open."""
    length, angle = random.uniform(14, 34) * min(image.size) / 512, random.uniform(0, math.pi)
    pixels = np.asarray(image, np.float64)
    steps = np.linspace(-length / 2, length / 2, max(round(length), 2))
    moved = [np.roll(pixels, (round(s * math.sin(angle)), round(s * math.cos(angle))), (0, 1)) for s in steps]
    return to_image(np.mean(moved, axis=0))


def exposed(image: Image.Image, stops: float, flare: float = 0.0) -> Image.Image:
    """As if taken with 2 ** ``stops`` times the light, of which lenses scatter a little into the shadows."""
    values = np.asarray(image, np.float64) / 255
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)  # sRGB
    light = np.clip((light + flare) * 2**stops, 0, 1)
    return to_image(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def framed(image: Image.Image, random: Random) -> Image.Image:
    """In a frame, of even or uneven width, or between bars; of a colour that can be told from the picture's edges."""
    pixels = np.asarray(image.convert("L"), np.float64)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).mean()
    fill = (0, 0, 0) if edge > 100 else (255, 255, 255)
    if random.random() < 0.4:
        fill = colour(random, 0, 60) if edge > 100 else colour(random, 190)
    width, height = image.size
    kind = int(random.integers(3))
    if kind == 0:
        width_all = round(random.uniform(0.02, 0.1) * min(image.size))
        left, top, right, bottom = (width_all,) * 4
    elif kind == 1:
        left, top, right, bottom = (round(random.uniform(0.02, 0.11) * min(image.size)) for _ in range(4))
    else:
        left = right = 0
        top = bottom = round(random.uniform(0.04, 0.3) * height)
    whole = Image.new("RGB", (width + left + right, height + top + bottom), fill)
    whole.paste(image, (left, top))
    return whole.transpose(Image.Transpose.ROTATE_90) if random.random() < 0.3 else whole


def _spoil_and_save(change: Spoil, without: tuple[str, ...] = ()) -> "Write":
    def write(drawn: Drawn, stem: str, good: list[tuple[str, str]]) -> tuple[str, str]:
        image, sort = _scene(drawn.random, without)
        return _save(change(image, drawn.random), drawn, stem), sort

    return write


def _duplicate(drawn: Drawn, stem: str, good: list[tuple[str, str]]) -> tuple[str, str]:
    """A good picture again: scaled, cut by up to 2 % a side, a little brighter or darker, or all of that."""
    random = drawn.random
    original, sort = good[int(random.choice([at for at, (name, _) in enumerate(good) if name not in _copied(drawn)]))]
    image = _opened(drawn.folder / original)
    width, height = image.size
    ways = random.random(3) < 0.5
    if ways[0]:
        left, top, right, bottom = random.uniform(0.002, 0.02, 4)
        image = image.crop(
            (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
        )
    if ways[1]:
        gain = random.uniform(0.85, 1.12)
        image = image.point([min(255, round(value * gain)) for value in range(256)] * 3)
    scale = max(random.uniform(0.6, 1.5), MIN_SIDE / min(image.size))
    image = image.resize([math.ceil(side * scale) for side in image.size], Image.Resampling.LANCZOS)
    name = f"{stem}.jpg"
    image.save(drawn.folder / name, quality=int(random.integers(30, 90)))
    drawn.fault("near_duplicate", max(original, name))
    drawn.truth.setdefault("copied", set()).update((original, name))
    return name, sort


def _copied(drawn: Drawn) -> set[str]:
    return drawn.truth.get("copied", set())


def _opened(path: Path) -> Image.Image:
    from loraruner.data.pictures import open_rgb

    image: Image.Image = open_rgb(path)
    return image


def _tiny(drawn: Drawn, stem: str, good: list[tuple[str, str]]) -> tuple[str, str]:
    sort = _any_sort(drawn.random)
    side = int(drawn.random.integers(32, 245))
    return _save(draw(sort, drawn.random, side, round(side * drawn.random.uniform(1, 1.6))), drawn, stem), sort


def _stretched(drawn: Drawn, stem: str, good: list[tuple[str, str]]) -> tuple[str, str]:
    sort, side = _any_sort(drawn.random, ("line_art",)), int(drawn.random.integers(256, 330))
    size = (side, round(side * drawn.random.uniform(2.6, 5)))
    return _save(draw(sort, drawn.random, *(size if drawn.random.random() < 0.5 else size[::-1])), drawn, stem), sort


def _broken(drawn: Drawn, stem: str, good: list[tuple[str, str]]) -> tuple[str, str]:
    """Cut off, changed, empty, or no picture at all."""
    random = drawn.random
    image, sort = _scene(random)
    path = drawn.folder / f"{stem}{random.choice(['.png', '.jpg', '.webp'])}"
    image.save(path, quality=90)
    content = bytearray(path.read_bytes())
    kind = int(random.integers(6))
    if kind <= 2:
        del content[int(len(content) * random.uniform(0.1, 0.95)) :]
    elif kind == 3:
        path = path.rename(path.with_suffix(".png"))
        image.save(path)
        content = bytearray(path.read_bytes())
        content[int(random.integers(100, len(content) - 30))] ^= 0x10
    elif kind == 4:
        content = bytearray(random.choice([b"", b"<html>404</html>", b"GIF89a\x01\x00\x01\x00"]))
    else:
        content[:8] = bytes(8)
    path.write_bytes(content)
    return path.name, sort


def _see_through(drawn: Drawn, stem: str, good: list[tuple[str, str]]) -> tuple[str, str]:
    """A thing cut out, its outline soft or hard."""
    random = drawn.random
    image, sort = _scene(random)
    width, height = image.size
    mask = Image.new("L", image.size)
    corners = polygon(random, (width / 2, height / 2), min(image.size) * random.uniform(0.4, 0.7), 12)
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    image.putalpha(mask.filter(ImageFilter.GaussianBlur(random.uniform(0, 1.5))))
    path = drawn.folder / f"{stem}{random.choice(['.png', '.webp'])}"
    image.save(path)
    return path.name, sort


Write = Callable[[Drawn, str, list[tuple[str, str]]], tuple[str, str]]


def _darkened(image: Image.Image, random: Random) -> Image.Image:
    return noisy(exposed(image, -random.uniform(4, 6)), random, random.uniform(0, 1.5))


def _washed_out(image: Image.Image, random: Random) -> Image.Image:
    return exposed(image, random.uniform(2.5, 4.5), flare=0.02)


FAULTS: dict[str, tuple[int, Write]] = {
    "blurred": (14, _spoil_and_save(blurred)),
    "near_duplicate": (14, _duplicate),
    "too_small": (7, _tiny),
    "under_exposed": (8, _spoil_and_save(_darkened, DARK_SORTS)),
    "over_exposed": (8, _spoil_and_save(_washed_out, (*DARK_SORTS, "fog"))),  # of fog nothing would be left
    "unreadable": (9, _broken),
    "extreme_aspect": (6, _stretched),
    "framed": (8, _spoil_and_save(framed)),
    "transparent": (6, _see_through),
}


def faults(truth: dict[str, set[str]]) -> Iterator[tuple[str, set[str]]]:
    """Every kind with the names that have it."""
    yield from ((kind, names) for kind, names in truth.items() if kind != "copied")
