"""What drawn pictures are made of: noise of all scales, colours, polygons; all from a random generator."""

import math
from typing import Any

import numpy as np
from PIL import Image

Random = np.random.Generator
Pixels = np.ndarray[Any, np.dtype[np.floating[Any]]]
Colour = tuple[int, int, int]


def noisy(image: Image.Image, random: Random, sigma: float) -> Image.Image:
    """The picture with grey noise of a camera's sensor, ``sigma`` of 255."""
    pixels = np.asarray(image, np.float32)
    return to_image(pixels + random.normal(0, sigma, (*pixels.shape[:2], 1)))


def to_image(pixels: Pixels) -> Image.Image:
    """(height, width, 3) values, clipped to 0 to 255."""
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


def clouds(random: Random, width: int, height: int, finest: int = 6, roughness: float = 0.5) -> Pixels:
    """Noise of all scales in 0 to 1, (height, width): each octave ``roughness`` times as strong as the one before."""
    total = np.zeros((height, width), np.float32)
    for octave in range(1, finest + 1):
        cells = random.random((2**octave + 1, 2**octave + 1)).astype(np.float32)
        layer = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * np.float32(roughness**octave)
    scaled: Pixels = (total - total.min()) / max(float(np.ptp(total)), 1e-9)
    return scaled


def colour(random: Random, low: int = 0, high: int = 256) -> Colour:
    """Any colour with channels from ``low`` to below ``high``."""
    red, green, blue = (int(value) for value in random.integers(low, high, 3))
    return red, green, blue


def blend(top: Colour, bottom: Colour, weight: Pixels) -> Pixels:
    """(height, width, 3): ``bottom`` where ``weight`` (height, width) is 1."""
    blended: Pixels = np.array(top, np.float32) + weight[..., None] * np.subtract(bottom, top, dtype=np.float32)
    return blended


def falling(width: int, height: int) -> Pixels:
    """0 at the top to 1 at the bottom, (height, width)."""
    return np.repeat(np.linspace(0, 1, height, dtype=np.float32)[:, None], width, axis=1)


def polygon(random: Random, centre: tuple[float, float], radius: float, corners: int) -> list[tuple[float, float]]:
    """A closed line around a centre, each corner at 0.5 to 1 of the radius."""
    turn = random.uniform(0, 2 * math.pi)
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    lengths = radius * random.uniform(0.5, 1, corners)
    return [(centre[0] + r * math.cos(a), centre[1] + r * math.sin(a)) for r, a in zip(lengths, angles, strict=True)]


def place(random: Random, width: int, height: int, margin: float = 0.0) -> tuple[float, float]:
    """A point of the picture, away from its edges by a share of its sides."""
    return random.uniform(margin, 1 - margin) * width, random.uniform(margin, 1 - margin) * height
