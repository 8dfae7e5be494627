"""How well ``data check`` finds what is wrong with a drawn set of pictures."""

from dataclasses import dataclass
from pathlib import Path

from loraruner.families.base import TokenLimit
from loraruner.quality import inspect
from loraruner.spec import Data, Model, Output, Spec
from loraruner.spec.model import Quality
from tests.support.spoiled_captions import TRIGGER
from tests.support.spoiled_pictures import MIN_SIDE, faults, write_set

SEEDS = (10, 11, 12)  # on which nothing was tuned
WORDS = TokenLimit(lambda text: len(text.split()), 75)  # stands for a tokenizer, which the set does without


@dataclass(frozen=True)
class Score:
    """Samples of one kind of fault: found, missed, and called faulty though they are not; of the last, by name why."""

    right: int = 0
    missed: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def recall(self) -> float:
        """Share of the faulty ones that were found."""
        return self.right / max(self.right + len(self.missed), 1)

    @property
    def precision(self) -> float:
        """Share of what was found that is faulty."""
        return self.right / max(self.right + len(self.wrong), 1)

    def __add__(self, other: "Score") -> "Score":
        return Score(self.right + other.right, self.missed + other.missed, self.wrong + other.wrong)


def spec_of(folder: Path) -> Spec:
    """A job on the folder with the usual thresholds, for pictures of MIN_SIDE pixels or more and their trigger."""
    quality = Quality(min_side=MIN_SIDE, trigger=TRIGGER)
    data = Data(uri=str(folder), quality=quality)
    return Spec(name="scores", task="text-to-image", model=Model(base="base"), data=data, output=Output(uri="out"))


def score(folder: Path, seed: int) -> dict[str, Score]:
    """Draw the set of a seed into ``folder``, check it as ``data check`` does, and compare with the truth, by kind."""
    truth = dict(faults(write_set(folder, seed)))
    details: dict[str, dict[str, str]] = {kind: {} for kind in truth}
    for finding in inspect(spec_of(folder), folder, WORDS).findings:
        details.setdefault(finding.kind, {})[finding.sample] = finding.detail
    return {kind: _score(seed, truth.get(kind, set()), found) for kind, found in sorted(details.items())}


def _score(seed: int, faulty: set[str], found: dict[str, str]) -> Score:
    missed = tuple(f"seed {seed}: {name}" for name in sorted(faulty - found.keys()))
    wrong = tuple(f"seed {seed}: {name} {detail}" for name, detail in sorted(found.items()) if name not in faulty)
    return Score(len(faulty & found.keys()), missed, wrong)
