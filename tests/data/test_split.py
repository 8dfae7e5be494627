"""Holding samples out: fixed by seed and id, never empty when it can be helped."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraruner.data.samples import Row
from loraruner.data.split import hold_out

ROWS = [Row(f"r.jsonl:{line}", text="x") for line in range(1, 101)]


def test_parts_are_disjoint_complete_and_in_order() -> None:
    """Both parts together are all samples, each in the order given, with the share asked for."""
    train, held = hold_out(ROWS, 0.2, seed=1)
    assert (len(train), len(held)) == (80, 20)
    assert sorted([*train, *held], key=ROWS.index) == ROWS
    assert list(train) == sorted(train, key=ROWS.index)


def test_order_of_samples_does_not_matter() -> None:
    """The same samples in another order are split the same way; another seed splits otherwise."""
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    assert set(hold_out(ROWS, 0.2, 1)[1]) == set(hold_out(shuffled, 0.2, 1)[1]) != set(hold_out(ROWS, 0.2, 2)[1])


def test_one_more_sample_moves_at_most_one() -> None:
    """Adding one sample leaves the held-out part as it was, but for one."""
    before, after = (set(hold_out(rows, 0.2, 1)[1]) for rows in (ROWS[:-1], ROWS))
    assert len(before ^ after) <= 2


@settings(max_examples=50, deadline=None)
@given(count=st.integers(0, 12), fraction=st.floats(0, 1, exclude_max=True))
def test_neither_part_is_empty(count: int, fraction: float) -> None:
    """Fraction 0 or fewer than two samples hold nothing out; else both parts have at least one."""
    train, held = hold_out(ROWS[:count], fraction, 7)
    assert len(train) + len(held) == count
    assert (len(held) > 0) == (fraction > 0 and count > 1)
    assert count == 0 or train


def test_fraction_out_of_range() -> None:
    """A fraction of 1 or more is a misuse."""
    with pytest.raises(ValueError, match="fraction"):
        hold_out(ROWS, 1.0, 1)
