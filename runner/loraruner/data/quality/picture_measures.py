"""What can be measured of one picture: size, sharpness, exposure, a perceptual hash, transparency, a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner.data.pictures import decode, to_rgb

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

WORKING_SIDE = 256  # pixels of the shorter side at which everything is measured
TILE = 8
MIN_CONTRAST = 9.0  # variance below which a tile holds nothing to see
RELATIVE_CONTRAST = 0.05  # of the tile with the most
NOISE_CONTRAST = 0.5  # of the variance of the Laplacian that noise causes
MAX_NOISE = 80.0  # variance of the Laplacian that a camera's noise may cause
SHARPEST = 20  # the sharpest of so many tiles speaks for the picture
CLIPPED = 252  # grey from which on light is lost
HASH_SIDE, HASH_WORKING_SIDE = 8, 32
THUMBNAIL_SIDE = 8
OPAQUE = 240  # alpha
MIN_TRANSPARENT_FRACTION = 0.001
FRAME_TOLERANCE = 8  # grey levels between pixels of one colour, after JPEG
FRAME_LINE = 0.98  # of the pixels of a line are the frame's
FRAME_STEP = 12  # grey levels between the frame and the picture, from one line to the next
FRAME_EDGE = 0.6  # of the pixels along a side show that step
FRAME_MIXTURE = 4  # lines beside a frame in which a JPEG holds some of it
MIN_FRAME = 0.015  # of the shorter side
MAX_FRAME = 0.15  # of a side, all around
MAX_BAR = 0.4  # of a side, above and below or left and right


@dataclass(frozen=True, slots=True)
class Measured:
    """One picture: pixels as it is shown, and what was measured; where it has a frame, of what that encloses.

    ``sharpness``: 100 times the variance of the Laplacian over the variance, in the sharpest parts and channel.
    ``shadows``, ``highlights``: grey of 0 to 255 that a hundredth of the pixels does not exceed, and exceeds.
    ``clipped``: share of the pixels that are white. ``hash``: 64 bits. ``thumbnail``: RGB, THUMBNAIL_SIDE a side.
    """

    width: int
    height: int
    sharpness: float
    shadows: int
    highlights: int
    clipped: float
    hash: int
    thumbnail: bytes
    transparent: bool
    framed: bool


def measure(path: Path) -> Measured:
    """Decode a picture once and measure it; BadValue with the reason, as ``data.pictures.decode`` raises it."""
    import numpy as np
    from PIL import Image

    transparent, rgb = decode(path, lambda image: (is_transparent(image), to_rgb(image)))
    small = _reduced(rgb)
    pixels = np.asarray(small, np.float32)  # (h, w, 3)
    grey = np.asarray(small.convert("L"), np.float32)  # (h, w)
    frame = frame_of(grey, pixels)
    inner = _well_within(frame) if frame else np.s_[:, :]
    shadows, highlights, clipped = exposure(grey[inner])
    channels = np.concatenate([grey[None], pixels.transpose(2, 0, 1)])[:, *inner]  # (4, h, w)
    return Measured(
        width=rgb.width,
        height=rgb.height,
        sharpness=sharpness(channels),
        shadows=shadows,
        highlights=highlights,
        clipped=clipped,
        hash=perceptual_hash(small.convert("L")),
        thumbnail=small.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX).tobytes(),
        transparent=transparent,
        framed=frame is not None,
    )


def is_transparent(image: Any) -> bool:
    """Whether a thousandth of the pixels or more can be seen through; an alpha channel alone says nothing."""
    if not image.has_transparency_data:
        return False
    counts = image.convert("RGBA").getchannel("A").histogram()
    return bool(sum(counts[:OPAQUE]) >= MIN_TRANSPARENT_FRACTION * sum(counts))


def _reduced(image: Any) -> Any:
    """The picture with a shorter side of WORKING_SIDE pixels, or as it is where that is less."""
    from PIL import Image

    scale = WORKING_SIDE / min(image.size)
    if scale >= 1:
        return image
    return image.resize([max(round(side * scale), 1) for side in image.size], Image.Resampling.BOX)


def sharpness(channels: Array) -> float:
    """How sharp the sharpest parts of the sharpest channel (n, h, w) are: 0 for one colour, below 90 if all is blurred.

    The variance of the Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy") over that
    of the values, in tiles: so neither few edges nor fog make a picture blurred. A camera's noise, which the calmer
    tiles show, is taken off, and tiles of hardly more contrast than that are left out. The sharpest twentieth of the
    rest decides: before a ground out of focus something is sharp, in a blurred picture nothing is.
    """
    import numpy as np

    if min(channels.shape[1:]) < TILE + 2:
        channels = np.pad(
            channels, [(0, 0), *((0, max(TILE + 2 - side, 0)) for side in channels.shape[1:])], mode="edge"
        )
    centre = channels[:, 1:-1, 1:-1]
    laplacian = 4 * centre
    for neighbour in (channels[:, :-2, 1:-1], channels[:, 2:, 1:-1], channels[:, 1:-1, :-2], channels[:, 1:-1, 2:]):
        laplacian -= neighbour
    return max(map(_sharpest, _tile_variances(laplacian), _tile_variances(centre)))


def _tile_variances(values: Array) -> Array:
    """The variance in each whole tile of (n, h, w) values: (n, tiles)."""
    num, rows, columns = values.shape[0], values.shape[1] // TILE, values.shape[2] // TILE
    whole = values[:, : rows * TILE, : columns * TILE]

    def means(pixels: Array) -> Array:
        lines: Array = pixels.reshape(num, rows, TILE, columns * TILE).sum(axis=2)
        sums: Array = lines.reshape(num, rows * columns, TILE).sum(axis=2)
        return sums / TILE**2

    variances: Array = means(whole * whole) - means(whole) ** 2
    return variances


def _sharpest(detail: Array, contrast: Array) -> float:
    """The ratio of both variances (tiles,) that the sharpest twentieth of the tiles exceeds, in hundredths."""
    import numpy as np

    noise = min(float(np.sort(detail)[len(detail) // 4]), MAX_NOISE)
    seen = contrast >= max(MIN_CONTRAST, RELATIVE_CONTRAST * float(contrast.max()), NOISE_CONTRAST * noise)
    if not seen.any():
        return 0.0
    ratios = np.sort((detail[seen] - noise) / contrast[seen])
    return max(100 * float(ratios[-1 - len(ratios) // SHARPEST]), 0.0)


def exposure(grey: Array) -> tuple[int, int, float]:
    """Shadows and highlights (grey of the darkest and of the brightest hundredth) and the share of white pixels."""
    import numpy as np

    below = np.cumsum(np.bincount(grey.astype(np.uint8).ravel(), minlength=256)) / grey.size  # (256,)
    shadows, highlights = np.searchsorted(below, (0.01, 0.99))
    return int(shadows), int(highlights), 1 - float(below[CLIPPED - 1])


def perceptual_hash(grey: Any) -> int:
    """64 bits of which scaling, recompression and a little more light change few: the signs of low frequencies.

    pHash (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions"): the 8 x 8 lowest
    coefficients of the cosine transform of 32 x 32 grey pixels, each against their median. In integers, so that every
    machine finds the same bits.
    """
    import numpy as np
    from PIL import Image

    side = (HASH_WORKING_SIDE, HASH_WORKING_SIDE)
    pixels = np.asarray(grey.resize(side, Image.Resampling.BOX), np.int64)  # (32, 32)
    cosines = _cosines()
    coefficients = (cosines @ pixels @ cosines.T).ravel()  # (64,)
    bits = coefficients > np.median(coefficients[1:])  # the first is the mean, which says nothing
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


@cache
def _cosines() -> Array:
    """The lowest frequencies of the cosine transform, in 16,384ths: (8, 32)."""
    import numpy as np

    places = 2 * np.arange(HASH_WORKING_SIDE) + 1
    turns = np.outer(np.arange(HASH_SIDE), places) / (2 * HASH_WORKING_SIDE)
    cosines: Array = np.rint(np.cos(np.pi * turns) * (1 << 14)).astype(np.int64)
    return cosines


def frame_of(grey: Array, pixels: Array) -> tuple[slice, slice] | None:
    """Rows and columns that a frame of one colour encloses, or two bars; None without.

    ``grey`` (h, w) finds the lines of one colour, as a JPEG blurs colours; ``pixels`` (h, w, 3) tell the picture from
    a frame as bright. A frame ends at once along a straight line: so what lies or glows on a plain ground is not framed
    by it.
    """
    height, width = grey.shape
    for above, beside, most in ((True, True, MAX_FRAME), (True, False, MAX_BAR), (False, True, MAX_BAR)):
        other = _not_the_grey(grey, above, beside)
        rows = _between_bars(other, most) if above else slice(0, height)
        columns = _between_bars(other.T, most) if beside else slice(0, width)
        if rows is None or columns is None or _is_on_plain_ground(other[rows, columns]):
            continue
        across = pixels.swapaxes(0, 1)  # (w, h, 3)
        if (not above or _has_edges(pixels[:, columns], rows)) and (not beside or _has_edges(across[:, rows], columns)):
            return rows, columns
    return None


def _well_within(frame: tuple[slice, slice]) -> tuple[slice, slice]:
    """What a frame encloses without the lines beside it, where enough is left."""
    rows, columns = (
        slice(part.start + FRAME_MIXTURE, part.stop - FRAME_MIXTURE) if part.stop - part.start > TILE * 4 else part
        for part in frame
    )
    return rows, columns


def _not_the_grey(grey: Array, above: bool, beside: bool) -> Array:
    """True where a pixel is not as bright as the edges, (h, w); the edges above and below, or beside, or all."""
    import numpy as np

    edges = ([grey[0], grey[-1]] if above else []) + ([grey[:, 0], grey[:, -1]] if beside else [])
    other: Array = np.abs(grey - np.median(np.concatenate(edges))) > FRAME_TOLERANCE
    return other


def _between_bars(other: Array, most: float) -> slice | None:
    """The lines between two bars of at most that share of the lines each; None without bars."""
    lines = other.mean(axis=1) > 1 - FRAME_LINE  # (lines,)
    first, last = int(lines.argmax()), int(lines[::-1].argmax())
    least = max(2.0, MIN_FRAME * min(other.shape))
    if not lines.any() or min(first, last) < least or max(first, last) > most * len(lines):
        return None
    return slice(first, len(lines) - last)


def _is_on_plain_ground(inner: Array) -> bool:
    """Whether what two bars enclose is surrounded by their colour on the other sides as well: then it lies on it."""
    return _between_bars(inner, 1.0) is not None or _between_bars(inner.T, 1.0) is not None


def _has_edges(pixels: Array, lines: slice) -> bool:
    """Whether the picture differs from the bars nearly from end to end, and at once; one line may be a mixture."""
    import numpy as np

    pairs = ((lines.start - 1, lines.start + 1), (lines.stop, lines.stop - 2))
    steps = (np.abs(pixels[bar] - pixels[line]).max(axis=-1) > FRAME_STEP for bar, line in pairs)
    return all(bool(step.mean() >= FRAME_EDGE) for step in steps)
