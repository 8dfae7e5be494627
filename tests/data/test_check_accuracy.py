"""How well the checks find what is wrong, on a drawn set of 200 good and 100 spoiled pictures."""

from pathlib import Path

import pytest

from tests.support.check_scores import SEEDS, Score, score
from tests.support.drawn_pictures import SORTS
from tests.support.spoiled_captions import CAPTION_FAULTS
from tests.support.spoiled_pictures import FAULTS, NUM_GOOD

BAR = 0.95


def test_the_set_is_of_the_size_it_claims() -> None:
    """100 are spoiled, of each kind some, and 200 good ones of many sorts."""
    assert sum(count for count, _ in FAULTS.values()) + sum(CAPTION_FAULTS.values()) == 100
    assert NUM_GOOD == 200
    assert len(SORTS) == 15


@pytest.mark.slow
def test_recall_and_precision(tmp_path: Path) -> None:
    """Of each kind 95 % of the faults are found, and 95 % of what is found is one: the table of the documentation."""
    scores: dict[str, Score] = {}
    for seed in SEEDS:
        for kind, found in score(tmp_path / str(seed), seed).items():
            scores[kind] = scores.get(kind, Score()) + found
    assert scores.keys() == {*FAULTS, *CAPTION_FAULTS}
    bad = {kind: found for kind, found in scores.items() if min(found.recall, found.precision) < BAR}
    assert bad == {}
