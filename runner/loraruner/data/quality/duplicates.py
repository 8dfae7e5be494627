"""Pictures that look like an earlier one: perceptual hashes close to each other, and thumbnails that agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

BLOCK, KEPT_BLOCK = 128, 1024  # pictures compared at once: a mebibyte of hashes stays in the processor's cache
MIN_SIMILARITY = 0.93  # of two thumbnails
FLAT = 2  # levels between the pixels of a thumbnail of one colour, in each channel


class Duplicate(NamedTuple):
    """A picture that looks like the earlier picture ``first``, which is kept; ``distance`` in bits of the hash."""

    picture: int
    first: int
    distance: int


def near_duplicates(hashes: Array, thumbnails: Array, max_distance: int) -> Iterator[Duplicate | None]:
    """Every picture that looks like an earlier one that is kept, in no fixed order; None now and then, as time passes.

    ``hashes`` (n,) of uint64, ``thumbnails`` (n, pixels, 3) of uint8. Hashes that differ in at most ``max_distance``
    bits are close (exactly: all pairs are compared), but things at the same place on the same ground have such hashes
    too: only if the thumbnails correlate as well, colours included, two pictures look alike. A hash says nothing of a
    picture of one colour; those are alike if their thumbnails are equal.
    """
    import numpy as np

    flat = np.ptp(thumbnails, axis=1).max(axis=1) <= FLAT  # (n,)
    yield from _equal(thumbnails, np.flatnonzero(flat))
    compare = _Comparison(hashes, thumbnails, max_distance)
    others = np.flatnonzero(~flat)
    kept, num_kept = np.empty_like(others), 0
    for start in range(0, len(others), BLOCK):
        block = others[start : start + BLOCK]
        for first in range(0, num_kept, KEPT_BLOCK):
            earlier = kept[first : min(first + KEPT_BLOCK, num_kept)]
            if (found := compare(block, earlier)) is not None:
                yield from _firsts(*found, block, earlier)
                block = block[~found[0].any(axis=1)]
        if (found := compare(block, block)) is not None:
            alike, distances = found
            fresh = _keep_first(alike)
            yield from _firsts(alike[~fresh] & fresh, distances[~fresh], block[~fresh], block)
            block = block[fresh]
        kept[num_kept : num_kept + len(block)] = block
        num_kept += len(block)
        yield None


class _Comparison:
    """Which of two groups of pictures look alike; memory for hashes is used again."""

    def __init__(self, hashes: Array, thumbnails: Array, max_distance: int) -> None:
        import numpy as np

        self._hashes, self._thumbnails, self._max_distance = hashes, thumbnails, max_distance
        self._bits = np.empty((BLOCK, KEPT_BLOCK), np.uint64)
        self._counts = np.empty((BLOCK, KEPT_BLOCK), np.uint8)

    def __call__(self, left: Array, right: Array) -> tuple[Array, Array] | None:
        """Pairs that look alike, and the distances of their hashes, both (left, right); None without any."""
        import numpy as np

        shape = np.s_[: len(left), : len(right)]
        bits = np.bitwise_xor(self._hashes[left][:, None], self._hashes[right][None], out=self._bits[shape])
        distances: Array = np.bitwise_count(bits, out=self._counts[shape])
        if not distances.size or distances.min() > self._max_distance:
            return None
        alike: Array = distances <= self._max_distance
        rows, columns = np.flatnonzero(alike.any(axis=1)), np.flatnonzero(alike.any(axis=0))
        similar = _unit(self._thumbnails[left[rows]]) @ _unit(self._thumbnails[right[columns]]).T
        alike[np.ix_(rows, columns)] &= similar >= MIN_SIMILARITY
        return alike, distances


def _equal(thumbnails: Array, indices: Array) -> Iterator[Duplicate]:
    first: dict[bytes, int] = {}
    for index in indices.tolist():
        earlier = first.setdefault(thumbnails[index].tobytes(), index)
        if earlier != index:
            yield Duplicate(index, earlier, 0)


def _unit(thumbnails: Array) -> Array:
    """Thumbnails without their mean, of length 1: (n, values). The product of two is their correlation."""
    import numpy as np

    values: Array = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    return values


def _keep_first(alike: Array) -> Array:
    """Of pictures in their order (n, n): True for each that looks like no earlier kept one."""
    import numpy as np

    fresh = np.ones(len(alike), bool)
    for index in np.flatnonzero(np.tril(alike, -1).any(axis=1)):
        fresh[index] = not (alike[index, :index] & fresh[:index]).any()
    return fresh


def _firsts(alike: Array, distances: Array, left: Array, right: Array) -> Iterator[Duplicate]:
    """The first picture of ``right`` for each of ``left`` that looks like one."""
    import numpy as np

    for row in np.flatnonzero(alike.any(axis=1)).tolist():
        column = int(alike[row].argmax())
        yield Duplicate(int(left[row]), int(right[column]), int(distances[row, column]))
