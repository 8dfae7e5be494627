"""Pictures of many sorts, drawn from a seed: what a training set holds, dark, bright, soft and plain ones among them.

Every sort is drawn at twice its size and reduced, so that edges are as soft as a camera's. ``leaves`` is the dead
leaves model, whose statistics are those of photographs (Lee, Mumford and Huang 2001).
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.support.drawing import Random, blend, clouds, colour, falling, noisy, place, polygon, to_image

Draw = Callable[[Random, int, int], Image.Image]

OVERSAMPLING = 2
PHOTOGRAPHED = ("leaves", "landscape", "fog", "snow", "bokeh", "night", "product")


def draw(sort: str, random: Random, width: int, height: int) -> Image.Image:
    """One RGB picture of ``sort``; what a camera takes has a little noise and the softness of a lens."""
    large = SORTS[sort](random, width * OVERSAMPLING, height * OVERSAMPLING)
    image = large.reduce(OVERSAMPLING)
    if sort not in PHOTOGRAPHED:
        return image
    soft = image.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.6)))
    return noisy(soft, random, random.uniform(0, 3))


def leaves(random: Random, width: int, height: int) -> Image.Image:
    """Discs over discs of all sizes, shaded: the dead leaves model."""
    image = Image.new("RGB", (width, height), colour(random, 40, 200))
    pen = ImageDraw.Draw(image)
    around = random.integers(60, 190, 3)
    for _ in range(700):
        radius = min(0.012 * width / math.sqrt(random.uniform(0.001, 1)), 0.3 * width)
        x, y = place(random, width, height)
        fill = tuple(int(value) for value in np.clip(random.normal(around, 45), 0, 255))
        pen.ellipse((x - radius, y - radius * random.uniform(0.4, 1), x + radius, y + radius), fill=fill)
    shade = 0.7 + 0.5 * clouds(random, width, height, 7)
    return to_image(np.asarray(image, np.float32) * shade[..., None])


def landscape(random: Random, width: int, height: int) -> Image.Image:
    """Sky with clouds above ridges, each nearer, darker and rougher."""
    pixels = blend(colour(random, 120, 240), colour(random, 170, 250), falling(width, height))
    pixels += 60 * (clouds(random, width, height)[..., None] - 0.5)
    rows = np.arange(height)[:, None]
    for depth in range(int(random.integers(3, 6))):
        ridge = clouds(random, width, height)[height // 2]  # (width,)
        top = height * (0.35 + 0.13 * depth + 0.22 * (ridge - 0.5))
        ground = blend(colour(random, 20, 150), colour(random, 20, 110), clouds(random, width, height, 9, 0.8))
        pixels = np.where((rows > top)[..., None], ground, pixels)
    return to_image(pixels)


def fog(random: Random, width: int, height: int) -> Image.Image:
    """A landscape of little contrast, sharp for all that."""
    mist = colour(random, 150, 215)
    return Image.blend(
        landscape(random, width, height), Image.new("RGB", (width, height), mist), random.uniform(0.5, 0.7)
    )


def snow(random: Random, width: int, height: int) -> Image.Image:
    """Bright ground and sky, some bare trees."""
    pixels = blend((205, 215, 235), (240, 243, 248), falling(width, height))
    pixels += 16 * (clouds(random, width, height, 7)[..., None] - 0.5)
    image = to_image(pixels)
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(4, 9))):
        x, y = place(random, width, height, 0.15)
        _tree(pen, random, (x, max(y, height * 0.5)), height * random.uniform(0.2, 0.4))
    return image


def _tree(pen: ImageDraw.ImageDraw, random: Random, foot: tuple[float, float], size: float) -> None:
    bark = colour(random, 30, 90)
    top = (foot[0] + size * random.uniform(-0.1, 0.1), foot[1] - size)
    pen.line([foot, top], fill=bark, width=max(int(size / 25), 2))
    for _ in range(14):
        share = random.uniform(0.3, 1)
        start = (foot[0] + share * (top[0] - foot[0]), foot[1] - share * size)
        reach = size * 0.3 * (1.2 - share)
        end = (start[0] + random.uniform(-1, 1) * reach, start[1] - random.uniform(0.2, 1) * reach)
        pen.line([start, end], fill=bark, width=max(int(size / 60), 1))


def night(random: Random, width: int, height: int) -> Image.Image:
    """A dark town: stars, perhaps a moon, lit windows."""
    image = to_image(blend((4, 5, 14), (16, 17, 30), falling(width, height)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(60, 200))):
        x, y = place(random, width, height)
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour(random, 120))
    if random.random() < 0.5:
        x, y = place(random, width, height // 2, 0.15)
        pen.ellipse((x - width / 18, y - width / 18, x + width / 18, y + width / 18), fill=(240, 238, 220))
    _houses(pen, random, (width, height), wall=(5, 20), window=(150, 256), lit=random.uniform(0.08, 0.3))
    return image


def city(random: Random, width: int, height: int) -> Image.Image:
    """Houses with windows by day."""
    image = to_image(blend(colour(random, 110, 220), colour(random, 180, 250), falling(width, height)))
    _houses(ImageDraw.Draw(image), random, (width, height), wall=(60, 220), window=(20, 140), lit=0.9)
    return image


def _houses(
    pen: ImageDraw.ImageDraw,
    random: Random,
    size: tuple[int, int],
    *,
    wall: tuple[int, int],
    window: tuple[int, int],
    lit: float,
) -> None:
    width, height = size
    x = -width * random.uniform(0, 0.1)
    while x < width:
        wide, top = width * random.uniform(0.1, 0.22), height * random.uniform(0.3, 0.7)
        pen.rectangle((x, top, x + wide, height), fill=colour(random, *wall))
        step = width * random.uniform(0.025, 0.04)
        for left in np.arange(x + step / 2, x + wide - step, step):
            for above in np.arange(top + step / 2, height - step, step * 1.4):
                if random.random() < lit:
                    pen.rectangle((left, above, left + step * 0.6, above + step * 0.9), fill=colour(random, *window))
        x += wide


def bokeh(random: Random, width: int, height: int) -> Image.Image:
    """A sharp thing before a ground far out of focus, as in portraits."""
    ground = leaves(random, width, height).filter(ImageFilter.GaussianBlur(width * random.uniform(0.02, 0.04)))
    thing = leaves(random, width, height)
    mask = Image.new("L", (width, height))
    x, y = place(random, width, height, 0.35)
    radius = width * random.uniform(0.16, 0.3)
    ImageDraw.Draw(mask).polygon(polygon(random, (x, y), radius, 9), fill=255)
    return Image.composite(thing, ground, mask)


def product(random: Random, width: int, height: int) -> Image.Image:
    """A thing with its soft shadow on a plain ground, white or grey, that fills the picture."""
    level = int(random.choice([255, 250, 243, 200, 128, 60]))
    image = Image.new("RGB", (width, height), (level, level, level))
    corners = polygon(random, place(random, width, height, 0.4), width * random.uniform(0.2, 0.38), 8)
    shadow = Image.new("L", (width, height))
    ImageDraw.Draw(shadow).polygon([(x + width / 50, y + width / 40) for x, y in corners], fill=110)
    image.paste((20, 20, 20), mask=shadow.filter(ImageFilter.GaussianBlur(width / 60)))
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    image.paste(leaves(random, width, height), mask=mask)
    return image


def texture(random: Random, width: int, height: int) -> Image.Image:
    """Bricks, weave or stone all over."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    size = width / random.uniform(8, 24)
    kind = int(random.integers(3))
    if kind == 0:
        shifted = columns + (rows // size % 2) * size
        mortar = (rows % size < size * 0.12) | (shifted % (2 * size) < size * 0.12)
        weight = np.where(mortar, 1.0, 0.0)
    elif kind == 1:
        over = (rows // size + columns // size) % 2  # which thread lies on top
        thread = np.where(over > 0, rows, columns) % size / size
        weight = np.where((thread > 0.1) & (thread < 0.9), np.sin(np.pi * thread), 0.0)
    else:
        weight = np.where(clouds(random, width, height, 8) > 0.5, 1.0, 0.0)
    pixels = blend(colour(random, 30, 230), colour(random, 30, 230), weight)
    return to_image(pixels + 70 * (clouds(random, width, height, 9, 0.8)[..., None] - 0.5))


def shapes(random: Random, width: int, height: int) -> Image.Image:
    """Flat shapes on a plain ground."""
    image = Image.new("RGB", (width, height), colour(random))
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(4, 12))):
        x, y = place(random, width, height)
        radius = width * random.uniform(0.05, 0.25)
        if random.random() < 0.5:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour(random))
        else:
            pen.polygon(polygon(random, (x, y), radius, int(random.integers(3, 7))), fill=colour(random))
    return image


def gradient(random: Random, width: int, height: int) -> Image.Image:
    """A soft run of colours behind one or two sharp shapes, as on posters."""
    ground = to_image(blend(colour(random, 30, 256), colour(random, 30, 256), falling(width, height)))
    turn = random.choice([Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270])
    image = ground.transpose(turn).resize((width, height))
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(1, 4))):
        x, y = place(random, width, height, 0.25)
        radius = width * random.uniform(0.06, 0.2)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour(random))
    return image


def portrait(random: Random, width: int, height: int) -> Image.Image:
    """A face of flat colours on a plain ground."""
    image = Image.new("RGB", (width, height), colour(random, 20, 256))
    pen = ImageDraw.Draw(image)
    x, y = width * random.uniform(0.42, 0.58), height * random.uniform(0.4, 0.5)
    radius = width * random.uniform(0.16, 0.24)
    skin, hair, cloth = colour(random, 90, 240), colour(random, 10, 160), colour(random)
    pen.ellipse((x - 1.9 * radius, y + 0.9 * radius, x + 1.9 * radius, y + 4.5 * radius), fill=cloth)
    pen.ellipse(
        (x - 1.15 * radius, y - 1.4 * radius, x + 1.15 * radius, y + random.uniform(0.2, 1.3) * radius), fill=hair
    )
    pen.ellipse((x - 0.9 * radius, y - radius, x + 0.9 * radius, y + 1.15 * radius), fill=skin)
    for side in (-1, 1):
        eye = x + side * radius * 0.38
        pen.ellipse((eye - radius / 9, y - radius / 9, eye + radius / 9, y + radius / 9), fill=(20, 20, 30))
    mouth = (x - radius * 0.4, y + radius * 0.3, x + radius * 0.4, y + radius * 0.75)
    pen.arc(mouth, 20, 160, fill=(150, 30, 40), width=max(int(radius / 12), 2))
    return image


def line_art(random: Random, width: int, height: int) -> Image.Image:
    """Thin dark lines on white."""
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    thick = max(int(width / random.uniform(120, 300)), 2)
    for _ in range(int(random.integers(8, 25))):
        line = polygon(
            random, place(random, width, height), width * random.uniform(0.05, 0.35), int(random.integers(3, 12))
        )
        pen.line([*line, line[0]], fill=colour(random, 0, 70), width=thick, joint="curve")
    return image


def neon(random: Random, width: int, height: int) -> Image.Image:
    """A glowing outline on a ground close to black."""
    mask = Image.new("L", (width, height))
    corners = polygon(
        random, place(random, width, height, 0.42), width * random.uniform(0.25, 0.4), int(random.integers(3, 10))
    )
    ImageDraw.Draw(mask).line([*corners, *corners[:2]], fill=255, width=max(width // 45, 4), joint="curve")
    light = np.zeros((height, width, 3))
    tube = np.array(colour(random, 60, 256), float)
    for spread, strength in ((0.0, 1.0), (width / 60, 0.7), (width / 25, 0.5)):
        light += strength * np.asarray(mask.filter(ImageFilter.GaussianBlur(spread)), float)[..., None] / 255 * tube
    return to_image(light + np.array((7, 7, 12)))


def ink(random: Random, width: int, height: int) -> Image.Image:
    """Washes and strokes of ink on paper."""
    paper = np.array((238, 230, 212), float) + 10 * (clouds(random, width, height, 9)[..., None] - 0.5)
    layer = Image.new("L", (width, height))
    pen = ImageDraw.Draw(layer)
    for _ in range(int(random.integers(3, 7))):
        pen.polygon(
            polygon(random, place(random, width, height), width * random.uniform(0.1, 0.3), 9),
            fill=int(random.integers(40, 120)),
        )
    wash = layer.filter(ImageFilter.GaussianBlur(width / 50))
    pen = ImageDraw.Draw(wash)
    for _ in range(int(random.integers(10, 30))):
        start = place(random, width, height)
        end = (start[0] + random.normal(0, width / 6), start[1] + random.normal(0, width / 12))
        pen.line([start, end], fill=int(random.integers(150, 240)), width=max(int(width / random.uniform(60, 200)), 2))
    return to_image(paper * (1 - np.asarray(wash, float)[..., None] / 255 * 0.9))


SORTS: dict[str, Draw] = {
    function.__name__: function
    for function in (
        leaves,
        landscape,
        fog,
        snow,
        night,
        city,
        bokeh,
        product,
        texture,
        shapes,
        gradient,
        portrait,
        line_art,
        neon,
        ink,
    )
}
