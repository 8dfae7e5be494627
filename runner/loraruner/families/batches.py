"""Micro-batches of rows of like length, so that little padding is computed."""

from collections.abc import Sequence

WINDOW_BATCHES = 32  # batches whose rows are sorted together: long enough to bucket, short enough to stay shuffled


def bucketed(order: Sequence[int], lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Partition ``order`` into micro-batches of ``batch_size`` rows; only the last may be smaller.

    Rows are sorted by ``lengths`` inside windows of the shuffled order, and the batches of a window follow
    the place of their earliest row in it: the result is shuffled, and depends on the arguments alone.
    """
    num_full = len(order) // batch_size * batch_size
    window = WINDOW_BATCHES * batch_size
    batches: list[list[int]] = []
    for start in range(0, num_full, window):
        places = sorted(range(start, min(start + window, num_full)), key=lambda place: lengths[order[place]])
        cut = [places[first : first + batch_size] for first in range(0, len(places), batch_size)]
        batches += [[order[place] for place in sorted(group)] for group in sorted(cut, key=min)]
    return batches + ([list(order[num_full:])] if num_full < len(order) else [])
