"""Random numbers keyed by what they are for."""

from dataclasses import replace

import pytest

from loraruner.families.base import Draw
from loraruner.families.draws import generator

DRAW = Draw(seed=1, purpose="train", epoch=2, occurrence=3, step=4)
FIRST = [-1.039279, 0.179134, 0.798985, -1.904026]


def numbers(draw: Draw, sample: str = "a.png") -> list[float]:
    values: list[float] = generator(draw, sample).standard_normal(4).tolist()
    return values


def test_the_same_key_the_same_numbers() -> None:
    """Neither time nor what was drawn before matters; the values never change from release to release."""
    first = numbers(DRAW)
    generator(DRAW, "b.png").random(100)
    assert numbers(DRAW) == first
    assert first == pytest.approx(FIRST, abs=1e-6)


@pytest.mark.parametrize("change", [{"seed": 2}, {"purpose": "trial"}, {"epoch": 3}, {"occurrence": 4}, {"step": 5}])
def test_every_field_counts(change: dict[str, int | str]) -> None:
    """Another value in any one field gives other numbers, and so does another sample."""
    assert numbers(replace(DRAW, **change)) != numbers(DRAW)  # type: ignore[arg-type]
    assert numbers(DRAW, "b.png") != numbers(DRAW)


def test_fields_do_not_run_together() -> None:
    """1 and 12 is not 11 and 2."""
    assert numbers(replace(DRAW, epoch=1, occurrence=12)) != numbers(replace(DRAW, epoch=11, occurrence=2))
