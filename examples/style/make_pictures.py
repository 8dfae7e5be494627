"""Draws the style's training set: one object per picture, a glowing outline on near-black, 64 x 64.

    python examples/style/make_pictures.py

Writes ``pictures/*.png`` and ``pictures/metadata.csv`` beside this file, the same pixels every time. Three
colours of each shape are left out, so that the style can be tried on prompts that were not trained.
"""

import csv
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FOLDER = Path(__file__).parent / "pictures"
COLOURS = {
    "red": (255, 40, 50),
    "green": (50, 255, 90),
    "blue": (60, 110, 255),
    "yellow": (255, 235, 60),
    "orange": (255, 140, 30),
    "purple": (175, 70, 255),
    "pink": (255, 90, 190),
    "white": (245, 245, 255),
}
SHAPES = ("circle", "square", "triangle", "star", "heart", "house", "tree", "fish")
NUM_LEFT_OUT = 3  # colours of each shape
NUM_PICTURES = 48
SIZE = 64
SUPERSAMPLING = 4
GROUND = (7, 7, 12)

Points = list[tuple[float, float]]


def main() -> None:
    """Draw every trained pair once, then again from the start with other places until there are enough."""
    pairs = [(c, s) for j, s in enumerate(SHAPES) for i, c in enumerate(COLOURS) if (i + j) % 8 >= NUM_LEFT_OUT]
    FOLDER.mkdir(exist_ok=True)
    rows = []
    for number in range(NUM_PICTURES):
        # 7 is coprime to the number of pairs: the repeated pairs are spread over colours and shapes.
        colour, shape = pairs[number * 7 % len(pairs)]
        name = f"{number:02d}-{colour}-{shape}.png"
        draw(shape, COLOURS[colour], np.random.default_rng(number)).save(FOLDER / name, optimize=True)
        rows.append((name, f"neon style, {'an' if colour[0] in 'aeiou' else 'a'} {colour} {shape}"))
    with (FOLDER / "metadata.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("file_name", "text"), *rows])


def draw(shape: str, colour: tuple[int, int, int], random: np.random.Generator) -> Image.Image:
    """One outline: a bright core and two halos of ``colour``, added as light onto the ground."""
    side = SIZE * SUPERSAMPLING
    radius = side * random.uniform(0.27, 0.34)
    x, y = side / 2 + random.uniform(-0.07, 0.07, 2) * side
    lines = [[(x + px * radius, y + py * radius) for px, py in line] for line in outline(shape)]
    core = _stroke(lines, side, width=7)
    light = np.zeros((side, side, 3))
    for mask, strength in (
        (_stroke(lines, side, width=12), 1.0),
        (_stroke(lines, side, width=12).filter(ImageFilter.GaussianBlur(7)), 0.7),
        (_stroke(lines, side, width=16).filter(ImageFilter.GaussianBlur(18)), 0.5),
    ):
        light += strength * np.asarray(mask)[..., None] / 255 * np.array(colour)  # (side, side, 3)
    light += 0.35 * np.asarray(core)[..., None]
    pixels = np.clip(light + np.array(GROUND), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def outline(shape: str) -> list[Points]:
    """Closed lines of a shape around (0, 0), about 1 in radius, y downwards."""
    if shape == "circle":
        return [_arc(60)]
    if shape == "square":
        return [[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]]
    if shape == "triangle":
        return [[(0, -0.95), (0.95, 0.8), (-0.95, 0.8)]]
    if shape == "star":
        radii = (1.05, 0.45)
        return [[(radii[i % 2] * x, radii[i % 2] * y) for i, (x, y) in enumerate(_arc(10))]]
    if shape == "heart":
        angles = [2 * math.pi * i / 60 for i in range(60)]
        curve = [(16 * math.sin(a) ** 3, _heart_height(a)) for a in angles]
        return [[(x / 17, -y / 16) for x, y in curve]]
    if shape == "house":
        return [
            [(-0.8, -0.1), (0, -1), (0.8, -0.1), (0.8, 0.9), (-0.8, 0.9)],
            [(-0.2, 0.9), (-0.2, 0.3), (0.2, 0.3), (0.2, 0.9)],
        ]
    if shape == "tree":
        return [
            [(x * 0.75, y * 0.65 - 0.35) for x, y in _arc(40)],
            [(-0.15, 0.3), (0.15, 0.3), (0.15, 1), (-0.15, 1)],
        ]
    body = [(x * 0.75 - 0.2, y * 0.5) for x, y in _arc(40)]
    return [body, [(0.5, 0), (1.05, -0.45), (1.05, 0.45)]]


def _arc(num_points: int) -> Points:
    angles = [2 * math.pi * i / num_points - math.pi / 2 for i in range(num_points)]
    return [(math.cos(a), math.sin(a)) for a in angles]


def _heart_height(angle: float) -> float:
    return 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)


def _stroke(lines: list[Points], side: int, *, width: int) -> Image.Image:
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    for line in lines:
        pen.line([*line, *line[:2]], fill=255, width=width, joint="curve")
    return mask


if __name__ == "__main__":
    main()
