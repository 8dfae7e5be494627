"""What can be measured of one picture: size, sharpness, exposure, a perceptual hash, transparency, a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner.data.pictures import decode, to_rgb
from loraruner.data.quality.picture_frames import frame_of, well_within

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

WORKING_SIDE = 256  # pixels of the shorter side at which everything is measured
MAX_WORKING_SIDE = 4096  # of the longer one
TILE = 8
MIN_CONTRAST = 9.0  # variance below which a tile holds nothing to see
RELATIVE_CONTRAST = 0.05  # of the tile with the most
NOISE_CONTRAST = 0.5  # of the variance of the Laplacian that noise causes
MAX_NOISE = 80.0  # variance of the Laplacian that a camera's noise may cause
CERTAINLY_SHARP = 200.0  # of grey: colours are not asked any more
SHARPEST = 20  # the sharpest of so many tiles speaks for the picture
CLIPPED = 252  # of a channel, from which on light is lost
HASH_SIDE, HASH_WORKING_SIDE = 8, 32
THUMBNAIL_SIDE = 8
OPAQUE = 240  # alpha
MIN_TRANSPARENT_FRACTION = 0.001


@dataclass(frozen=True, slots=True)
class Measured:
    """One picture: pixels as it is shown, and what was measured; where it has a frame, of what that encloses.

    ``sharpness``: 100 times the variance of the Laplacian over the variance, in the sharpest parts and channel.
    ``shadows``, ``highlights``: grey of 0 to 255 that a hundredth of the pixels does not exceed, and exceeds.
    ``clipped``: share of the pixels that lost light. ``hash``: 64 bits. ``thumbnail``: RGB, THUMBNAIL_SIDE a side.
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
    pixels, grey = np.asarray(small), np.asarray(small.convert("L"), np.float32)  # (h, w, 3), (h, w)
    frame = frame_of(grey, pixels)
    inner = well_within(frame) if frame else np.s_[:, :]
    shadows, highlights = exposure(grey[inner])
    return Measured(
        width=rgb.width,
        height=rgb.height,
        sharpness=_sharpness_of_all(grey[inner], pixels[inner]),
        shadows=shadows,
        highlights=highlights,
        clipped=clipped(pixels[inner]),
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
    """The picture with a shorter side of WORKING_SIDE pixels, or as it is where that is less; no side too long."""
    from PIL import Image

    scale = min(WORKING_SIDE / min(image.size), MAX_WORKING_SIDE / max(image.size))
    if scale >= 1:
        return image
    size = tuple(max(round(side * scale), 1) for side in image.size)
    factor = image.width // size[0]
    if size == (image.width / factor, image.height / factor):
        return image.reduce(factor)  # the same, faster
    return image.resize(size, Image.Resampling.BOX)


def _sharpness_of_all(grey: Array, pixels: Array) -> float:
    """Of the sharpest channel: grey can't tell colours that are as bright as each other, a JPEG blurs the others."""
    import numpy as np

    found = sharpness(grey)
    if found >= CERTAINLY_SHARP:
        return found
    return max(found, *(sharpness(pixels[..., channel].astype(np.float32)) for channel in range(3)))


def sharpness(values: Array) -> float:
    """How sharp the sharpest parts of one channel (h, w) are: 0 for one value, below 90 when all is blurred.

    The variance of the Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy") over that
    of the values, in tiles: so neither few edges nor fog make a picture blurred. A camera's noise, which the calmer
    tiles show, is taken off, and tiles of hardly more contrast than that are left out. The sharpest twentieth of the
    rest decides: before a ground out of focus something is sharp, in a blurred picture nothing is.
    """
    import numpy as np

    if min(values.shape) < TILE + 2:
        values = np.pad(values, [(0, max(TILE + 2 - side, 0)) for side in values.shape], mode="edge")
    centre = values[1:-1, 1:-1]
    laplacian = 4 * centre - values[:-2, 1:-1] - values[2:, 1:-1] - values[1:-1, :-2] - values[1:-1, 2:]
    return _sharpest(_tile_variances(laplacian), _tile_variances(centre))


def _tile_variances(values: Array) -> Array:
    """The variance in each whole tile of (h, w) values: (tiles,)."""
    rows, columns = values.shape[0] // TILE, values.shape[1] // TILE
    whole = values[: rows * TILE, : columns * TILE]

    def means(pixels: Array) -> Array:
        lines: Array = pixels.reshape(rows, TILE, columns * TILE).sum(axis=1)
        sums: Array = lines.reshape(rows * columns, TILE).sum(axis=1)
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


def exposure(grey: Array) -> tuple[int, int]:
    """Shadows and highlights: the grey of the darkest and of the brightest hundredth."""
    import numpy as np

    below = np.cumsum(np.bincount(grey.astype(np.uint8).ravel(), minlength=256)) / grey.size  # (256,)
    shadows, highlights = np.searchsorted(below, (0.01, 0.99))
    return int(shadows), int(highlights)


def clipped(pixels: Array) -> float:
    """Share of the pixels (h, w, 3) with two channels or all at their end: one alone may be a pure colour."""
    return float(((pixels >= CLIPPED).sum(axis=-1) >= 2).mean())


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
