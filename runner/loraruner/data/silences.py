"""Where a recording can be cut without cutting a word: in the middle of its silences."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from loraruner.data.audio import SAMPLE_RATE, Audio
from loraruner.data.lines import BadValue

WINDOW = 320  # samples: 20 ms
BLOCK = WINDOW * 3000  # samples whose levels are computed at once: a minute
MIN_SILENCE = 8  # windows; the closure before a "t" or "k" is shorter
LEAD = 4  # windows kept before the next sound where a long silence is left out
ENOUGH = 25  # windows to the nearest sound: no cut is better for being farther away
ALIKE = 0.8  # a silence of this share of the longest one's length is as good
LOWEST_DB = -120.0
NUM_LOUD = 10  # windows: the loudest but nine, so that a knock is not taken for the voice
ABOVE_NOISE_DB = 6.0  # a pause may be this much louder than the quietest tenth
QUIETEST_DB, LOUDEST_DB = -40.0, -20.0  # what counts as silence lies between these, below the loud level


def window_levels(audio: Audio) -> npt.NDArray[np.float64]:
    """Level of each 20 ms (windows,) in dB below full scale, without its mean, LOWEST_DB for digital silence."""
    powers = []
    for start in range(0, len(audio), BLOCK):
        block = audio[start : start + BLOCK]
        padded = np.pad(block, (0, -len(block) % WINDOW), mode="edge")
        powers.append(padded.reshape(-1, WINDOW).var(axis=1, dtype=np.float64))
    levels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(np.concatenate(powers), 10 ** (LOWEST_DB / 10)))
    return levels


def cut_at_silences(audio: Audio, max_samples: int) -> tuple[tuple[int, int], ...]:
    """Spans of samples, in order, each no longer than ``max_samples`` (at least 0.2 s); (0, all) where it fits.

    Each cut lies in the middle of the longest silence in the second half of what still fits, of several alike the last;
    failing that, in the last silence before it. Spans that hold only silence are left out, the others touch. A silence
    is 0.16 s or longer and quiet beside the clip's own loud level and noise. BadValue when a stretch has none.
    """
    if len(audio) <= max_samples:
        return ((0, len(audio)),)
    quiet = _quiet(window_levels(audio))
    room = _room(quiet)
    cuts = [0]
    while len(audio) - cuts[-1] * WINDOW > max_samples:
        cuts.append(_next_cut(room, cuts[-1], max_samples // WINDOW))
    bounds = [*cuts, len(quiet)]
    return tuple(
        (begin * WINDOW, min(end * WINDOW, len(audio))) for begin, end in pairwise(bounds) if not quiet[begin:end].all()
    )


def _quiet(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which windows belong to a silence (windows,)."""
    loud = np.sort(levels)[-min(NUM_LOUD, len(levels))]
    noise = np.quantile(levels, 0.1)
    threshold = np.clip(noise + ABOVE_NOISE_DB, loud + QUIETEST_DB, loud + LOUDEST_DB)
    quiet = levels < threshold
    for begin, end in _runs(quiet):
        if end - begin < MIN_SILENCE:
            quiet[begin:end] = False
    return quiet


def _runs(quiet: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Begin and end of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _room(quiet: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For every border between windows (windows + 1,) the number of quiet ones to the nearest sound."""
    room = np.zeros(len(quiet) + 1, np.int64)
    for begin, end in _runs(quiet):
        inside = np.arange(end - begin + 1)
        room[begin : end + 1] = np.minimum(inside, inside[::-1])
    return room


def _next_cut(room: npt.NDArray[np.int64], start: int, max_windows: int) -> int:
    """The border at which the piece that begins at ``start`` ends."""
    limit, half = start + max_windows, start + max_windows // 2
    if best := min(int(room[half + 1 : limit + 1].max()), ENOUGH):
        border = half + 1 + int(np.flatnonzero(room[half + 1 : limit + 1] >= ALIKE * best)[-1])
        return _middle(room, border) if _sounds_between(room, start, border) else border
    if len(silent := start + 1 + np.flatnonzero(room[start + 1 : half + 1])):
        border = int(silent[-1])
        if _sounds_between(room, start, border):
            return _middle(room, border)
        if border - LEAD > start:  # no other silence than that around ``start``: what is left of it is left out
            return border + 1 - LEAD
    seconds = WINDOW / SAMPLE_RATE
    raise BadValue(
        f"has no silence to cut at between {start * seconds:.1f} s and {limit * seconds:.1f} s, and at most "
        f"{max_windows * seconds:g} s are heard at once: cut it by hand, or leave it out"
    )


def _sounds_between(room: npt.NDArray[np.int64], start: int, border: int) -> bool:
    return bool(room[start:border].min() == 0)


def _middle(room: npt.NDArray[np.int64], border: int) -> int:
    """The middle of the silence around ``border`` when that lies before it, else ``border``."""
    while room[border - 1] > room[border]:
        border -= 1
    return border
