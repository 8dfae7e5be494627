"""Is a picture framed, or between bars, of one colour?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

TOLERANCE = 8  # grey levels between pixels of one colour, after JPEG
LINE = 0.98  # of the pixels of a line are the frame's
STEP = 12  # grey levels between the frame and the picture, from one line to the next
EDGE = 0.6  # of the pixels along a side show that step
MIXTURE = 4  # lines beside a frame in which a JPEG holds some of it
MIN_WIDTH = 0.015  # of the shorter side
MAX_FRAME = 0.15  # of a side, all around
MAX_BAR = 0.4  # of a side, above and below or left and right


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


def well_within(frame: tuple[slice, slice]) -> tuple[slice, slice]:
    """What a frame encloses without the lines beside it, where enough is left."""
    rows, columns = (
        slice(part.start + MIXTURE, part.stop - MIXTURE) if part.stop - part.start > 8 * MIXTURE else part
        for part in frame
    )
    return rows, columns


def _not_the_grey(grey: Array, above: bool, beside: bool) -> Array:
    """True where a pixel is not as bright as the edges, (h, w); the edges above and below, or beside, or all."""
    import numpy as np

    edges = ([grey[0], grey[-1]] if above else []) + ([grey[:, 0], grey[:, -1]] if beside else [])
    other: Array = np.abs(grey - np.median(np.concatenate(edges))) > TOLERANCE
    return other


def _between_bars(other: Array, most: float) -> slice | None:
    """The lines between two bars of at most that share of the lines each; None without bars."""
    lines = other.mean(axis=1) > 1 - LINE  # (lines,)
    first, last = int(lines.argmax()), int(lines[::-1].argmax())
    least = max(2.0, MIN_WIDTH * min(other.shape))
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
    steps = (np.abs(np.subtract(pixels[bar], pixels[line], dtype=np.int16)).max(axis=-1) for bar, line in pairs)
    return all(bool((step > STEP).mean() >= EDGE) for step in steps)
