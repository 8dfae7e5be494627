"""Hold a fixed part of the samples out of training."""

import hashlib
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Identified(Protocol):
    """Anything with an ``id`` of its own: a picture, a row."""

    @property
    def id(self) -> str:
        """Unique among the samples of a data set."""
        ...


Item = TypeVar("Item", bound=Identified)


def hold_out(samples: Sequence[Item], fraction: float, seed: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Split into (train, evaluation), each in the order given.

    Samples are ranked by SHA-256 of seed and id, so one more or one less moves few others across. With
    ``fraction`` (0 to below 1) above 0 and two samples or more, either part has at least one.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"fraction must lie in [0, 1), not {fraction}")
    num_held = min(max(round(len(samples) * fraction), 1), len(samples) - 1) if fraction and samples else 0
    held = set(sorted((sample.id for sample in samples), key=lambda name: _rank(seed, name))[:num_held])
    train = tuple(sample for sample in samples if sample.id not in held)
    return train, tuple(sample for sample in samples if sample.id in held)


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()
