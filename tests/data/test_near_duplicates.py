"""Near duplicates among hashes and thumbnails: exact, the first kept, in bounded time."""

from typing import Any

import numpy as np
import pytest

from loraruner.data.quality import duplicates
from loraruner.data.quality.duplicates import Duplicate, near_duplicates

Array = np.ndarray[Any, np.dtype[Any]]
PIXELS = 64


def thumbnails(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (count, PIXELS, 3), np.uint8)


def found(hashes: Array, pictures: Array, max_distance: int = 8) -> list[Duplicate]:
    return sorted(each for each in near_duplicates(hashes, pictures, max_distance) if each)


def by_hand(hashes: list[int], max_distance: int) -> list[Duplicate]:
    """Each against the kept ones in order, as one would by hand; all thumbnails equal."""
    kept: list[int] = []
    pairs = []
    for picture, value in enumerate(hashes):
        close = [first for first in kept if (hashes[first] ^ value).bit_count() <= max_distance]
        if close:
            pairs.append(Duplicate(picture, close[0], (hashes[close[0]] ^ value).bit_count()))
        else:
            kept.append(picture)
    return pairs


@pytest.mark.parametrize("max_distance", [0, 1, 4, 8, 16])
def test_the_same_as_by_hand(max_distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pairs are compared, also across the blocks: no near duplicate is missed, none is invented."""
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    monkeypatch.setattr(duplicates, "KEPT_BLOCK", 11)
    random = np.random.default_rng(1)
    seeds = random.integers(0, 2**63, 40, np.uint64)
    flips = np.uint64(1) << random.integers(0, 64, (400, 12)).astype(np.uint64)
    used = np.arange(12) < random.integers(0, 13, (400, 1))  # 0 to 12 bits of each are flipped
    hashes = random.choice(seeds, 400) ^ np.bitwise_xor.reduce(np.where(used, flips, np.uint64(0)), axis=1)
    same = np.repeat(thumbnails(1), 400, axis=0)
    assert found(hashes, same, max_distance) == by_hand([int(value) for value in hashes], max_distance)


def test_the_first_stays() -> None:
    """Of a chain in which only neighbours are alike, the second goes and the third stays, as it is like no kept one."""
    hashes = np.array([0, 0b1111, 0b1111_1111, 0b1111], np.uint64)
    assert found(hashes, np.repeat(thumbnails(1), 4, axis=0), 4) == [Duplicate(1, 0, 4), Duplicate(3, 0, 4)]


def test_close_hashes_are_not_enough() -> None:
    """Pictures with one hash and other content, such as things of other colours at one place, are no duplicates."""
    assert found(np.zeros(50, np.uint64), thumbnails(50)) == []


def test_light_and_contrast_do_not_matter() -> None:
    """A thumbnail that is brighter and of less contrast is that of the same picture."""
    one = thumbnails(1)
    other = (one * 0.6 + 60).astype(np.uint8)
    assert found(np.zeros(2, np.uint64), np.concatenate([one, other])) == [Duplicate(1, 0, 0)]


def test_pictures_of_one_colour() -> None:
    """Their hash says nothing: they are alike if equal, whatever the hash."""
    colours = [(255, 255, 255), (0, 0, 0), (255, 255, 255), (254, 0, 0)]
    flat = np.array([[colour] * PIXELS for colour in colours], np.uint8)
    assert found(np.array([0, 0, 99, 0], np.uint64), flat) == [Duplicate(2, 0, 0)]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_to_compare(count: int) -> None:
    """No picture and a single one have no duplicate."""
    assert found(np.zeros(count, np.uint64), thumbnails(count)) == []


def test_very_many_equal_ones_are_compared_with_the_first_alone() -> None:
    """100,000 copies are no 5,000,000,000 pairs: each is compared with what is kept, which is one."""
    count = 100_000
    pairs = found(np.zeros(count, np.uint64), np.broadcast_to(thumbnails(1), (count, PIXELS, 3)))
    assert len(pairs) == count - 1
    assert {each.first for each in pairs} == {0}


def test_someone_may_stop_it_now_and_then() -> None:
    """Between blocks there is a pause, also where nothing is found."""
    count = duplicates.BLOCK * 3
    hashes = np.random.default_rng(0).integers(0, 2**63, count, np.uint64)
    assert [each for each in near_duplicates(hashes, thumbnails(count), 2) if each is None] == [None] * 3
