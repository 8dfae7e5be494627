"""What a drawn chart shows, read back from its SVG."""

import re

Point = tuple[float, float]


def strokes(drawn: str, variable: str) -> list[list[Point]]:
    """The points of each path that is drawn in the page's ``variable``, in the order of drawing."""
    paths = re.findall(rf'<path d="([^"]*)" style="stroke: var\({variable}\)"', drawn)
    return [[(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)] for path in paths]


def words(drawn: str, variable: str = "--soft", align: str = "[a-z]+") -> list[str]:
    """The texts in the page's ``variable``: ``--soft`` for numbers, ``--ink`` for what they are."""
    pattern = rf'<text [^>]*style="fill: var\({variable}\)" text-anchor="{align}">([^<]*)</text>'
    return re.findall(pattern, drawn)


def legend(drawn: str) -> list[str]:
    """What the legend explains."""
    return re.findall(r'<span class="key \w+">([^<]*)</span>', drawn)
