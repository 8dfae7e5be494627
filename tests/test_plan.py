"""What a plan counts."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from loraruner.data.samples import Clip, Picture, num_examples
from loraruner.errors import DataInvalid
from loraruner.families.base import Base, Family, Prepared, Runtime, Samples
from loraruner.plan import Few, describe, prepare_few
from loraruner.samples import Opened
from loraruner.spec import Data, Model, Output, Spec, SpeechOptions, Training
from loraruner.training.trial import Cost

PIECE = 480_000  # samples: 30 s
COST = Cost(step_s=2.0, host_bytes=1, gpu_bytes=0, num_parameters=1, num_modules=1, checkpoint_bytes=1)
RUNTIME = Runtime("cpu", "fp32", "float32", 1)
SPEC = Spec(
    name="tiny",
    task="automatic-speech-recognition",
    model=Model(base="base"),
    data=Data(uri="clips"),
    training=Training(epochs=3, batch_size=4),
    options=SpeechOptions(),
    output=Output(uri="out"),
)


def clip(number: int, num_pieces: int = 1) -> Clip:
    spans = tuple((place * PIECE, (place + 1) * PIECE) for place in range(num_pieces))
    return Clip(f"{number}.wav", Path(f"{number}.wav"), "text", "ab", spans)


@pytest.fixture
def opened() -> Opened:
    """Five short clips and one of ten pieces to train on, one of five held out."""
    train = (*(clip(number) for number in range(5)), clip(5, 10))
    return Opened(Base(Path("base"), "ab" * 32, "base"), Samples(train, (clip(6, 5),)), ())


def test_a_long_clip_is_as_many_examples_as_it_has_pieces() -> None:
    """Anything else is one."""
    assert num_examples([clip(0), clip(1, 10), Picture("a.png", Path("a.png"), "a", "ab")]) == 12


def test_steps_and_estimates_count_pieces(opened: Opened, tmp_path: Path) -> None:
    """15 pieces are 4 batches of 4 in an epoch; the cache of four pieces grows to that of all twenty."""
    (tmp_path / "states").write_bytes(bytes(100))
    few = Few(Prepared({"states": tmp_path / "states"}, {}), num_examples=4, seconds=8.0)
    told = describe(SPEC, opened, RUNTIME, COST, few)
    assert (told["steps_per_epoch"], told["steps"], told["samples"]["train"]) == (4, 12, 6)
    assert told["estimate"]["training_s"] == 24.0
    assert (told["estimate"]["prepare_s"], told["estimate"]["cache_bytes"]) == (40.0, 500)
    fixed = replace(SPEC, training=replace(SPEC.training, epochs=None, max_steps=7))
    assert describe(fixed, opened, RUNTIME, COST, few)["steps"] == 7


class Choosy:
    """A family that can use nothing but the clip ``usable``."""

    def __init__(self, usable: str) -> None:
        self.usable = usable
        self.asked: list[int] = []

    def prepare(self, spec: Spec, base: Base, samples: Samples, *rest: Any) -> Prepared:
        self.asked.append(len(samples.train))
        if not any(sample.id == self.usable for sample in samples.train):
            raise DataInvalid("no usable clip")
        return Prepared({}, {})


def test_a_bad_beginning_does_not_end_a_plan(opened: Opened, tmp_path: Path) -> None:
    """While none of the first samples can be used, more are tried: train would use those too."""
    family = Choosy("5.wav")
    assert prepare_few(SPEC, opened, cast(Family, family), tmp_path, RUNTIME).num_examples == 15
    assert family.asked == [4, 6]


def test_a_plan_of_bad_samples_ends(opened: Opened, tmp_path: Path) -> None:
    """When all samples have been tried, the family's own fault is raised."""
    family = Choosy("none of them")
    with pytest.raises(DataInvalid, match="no usable clip"):
        prepare_few(SPEC, opened, cast(Family, family), tmp_path, RUNTIME)
    assert family.asked == [4, 6]
