"""How well ``data check`` finds spoiled pictures and captions: recall and precision of each kind.

    python bench/check_accuracy.py [SEED ...]

Each seed draws another 200 good and 100 spoiled pictures (tests/support/spoiled_pictures.py). Shaken pictures are no
part of the set: the variance of the Laplacian sees blur along a line only in part; the last line says how often.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the drawn set lies with the tests

from loraruner.data.quality.picture_measures import measure
from loraruner.spec.model import Quality
from tests.support.check_scores import SEEDS, Score, score
from tests.support.drawn_pictures import SORTS, draw
from tests.support.spoiled_pictures import shaken

BAR = 0.95
SHAKEN_OF_EACH_SORT = 10


def main() -> None:
    """Print one table, then what was missed and what was found wrongly."""
    scores: dict[str, Score] = {}
    seeds = [int(argument) for argument in sys.argv[1:]] or SEEDS
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            for kind, found in score(Path(folder), seed).items():
                scores[kind] = scores.get(kind, Score()) + found
    print("| kind | spoiled | found | missed | wrongly found | recall | precision | bar 95 % |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for kind, found in scores.items():
        met = "met" if min(found.recall, found.precision) >= BAR else "missed"
        counts = f"{found.right + len(found.missed)} | {found.right} | {len(found.missed)} | {len(found.wrong)}"
        print(f"| `{kind}` | {counts} | {found.recall:.1%} | {found.precision:.1%} | {met} |")
    for kind, found in scores.items():
        for name in found.missed:
            print(f"missed: {kind}: {name}")
        for name in found.wrong:
            print(f"wrongly found: {kind}: {name}")
    print(f"shaken: {share_of_shaken():.0%} are called blurred")


def share_of_shaken() -> float:
    """How many pictures blurred by a movement are found."""
    num_found, num_shaken = 0, SHAKEN_OF_EACH_SORT * len(SORTS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "shaken.png")
        for seed in range(SHAKEN_OF_EACH_SORT):
            for sort in SORTS:
                random = np.random.default_rng(seed)
                shaken(draw(sort, random, 384, 384), random).save(path)
                num_found += measure(path).sharpness < Quality().min_sharpness
    return num_found / num_shaken


if __name__ == "__main__":
    main()
