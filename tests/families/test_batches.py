"""Micro-batches of rows of like length."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from loraruner.families.batches import bucketed


@given(num_rows=st.integers(0, 300), batch_size=st.integers(1, 9), seed=st.integers(0, 99))
def test_batches_partition_the_order(num_rows: int, batch_size: int, seed: int) -> None:
    """Every row is in one batch, only the last is smaller, and the same order gives the same batches."""
    generator = random.Random(seed)
    order = list(range(num_rows))
    generator.shuffle(order)
    lengths = [generator.randrange(1, 50) for _ in order]
    batches = bucketed(order, lengths, batch_size)
    assert sorted(row for batch in batches for row in batch) == sorted(order)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert batches == bucketed(list(order), lengths, batch_size)


def test_bucketing_saves_most_padding_and_stays_shuffled() -> None:
    """Of 512 rows of mixed lengths less than 10 % is padding, and lengths don't rise from batch to batch."""
    generator = random.Random(0)
    order = list(range(512))
    generator.shuffle(order)
    lengths = [generator.randrange(5, 200) for _ in order]
    batches = bucketed(order, lengths, 4)
    padded = sum(max(lengths[row] for row in batch) * len(batch) for batch in batches)
    longest = [max(lengths[row] for row in batch) for batch in batches]
    assert sum(lengths) / padded > 0.9
    assert 0.3 < sum(a < b for a, b in itertools.pairwise(longest)) / len(longest) < 0.7
