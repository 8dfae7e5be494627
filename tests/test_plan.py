"""What a plan counts."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from loraruner.captioning import Captioned, Desk
from loraruner.data.samples import Clip, Picture, Skipped, num_examples
from loraruner.errors import DataInvalid
from loraruner.families.base import Base, Family, Prepared, Runtime, Samples
from loraruner.plan import Few, describe, prepare_few
from loraruner.samples import Opened
from loraruner.spec import Data, ImageOptions, Model, Output, Spec, SpeechOptions, Training
from loraruner.spec.model import Caption
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


DESK = Desk(Path("blip"), "5e" * 32, Path("journals"), "cpu", lambda: None)
PICTURES = replace(
    SPEC,
    task="text-to-image",
    options=ImageOptions(),
    data=Data(uri="pictures", caption=Caption(model="blip", batch_size=2)),
    training=Training(batch_size=3),
)


class Captioners:
    """Says "a lamp" of the pictures ``known``, takes two seconds for each, and notes which it was shown."""

    def __init__(self, known: tuple[str, ...]) -> None:
        self.known = known
        self.shown: list[list[str]] = []

    def make(self, spec: Spec, pictures: tuple[Picture, ...], desk: Desk) -> Captioned:
        assert desk.journals != DESK.journals
        self.shown.append([picture.id for picture in pictures])
        captions = {picture.id: "a lamp" for picture in pictures if picture.id in self.known}
        mute = tuple(Skipped(name, "nothing") for name in self.shown[-1] if name not in captions)
        return Captioned("blip", "5e" * 32, {}, captions, mute, seconds=2.0 * len(pictures))


class Eager:
    """A family that can use whatever it is given, if that is anything."""

    def __init__(self) -> None:
        self.given: list[tuple[str, ...]] = []

    def prepare(self, spec: Spec, base: Base, samples: Samples, *rest: Any) -> Prepared:
        assert all(sample.caption for sample in samples.train)
        self.given.append(tuple(sample.id for sample in samples.train))
        return Prepared({}, {})


def pictures(*captions: str) -> Opened:
    train = tuple(Picture(f"{place}.png", Path(f"{place}.png"), text, "ab") for place, text in enumerate(captions))
    return Opened(Base(Path("base"), "ab" * 32, "base"), Samples(train, (replace(train[0], id="held.png"),)), ())


@pytest.mark.parametrize(
    ("captions", "shown", "to_caption"),
    [
        (("a", "b", "c", "d", "e"), [], 0),
        (("a", "b", "c", "", ""), [["3.png", "4.png"]], 2),
        (("a", "", "c", "", ""), [["1.png", "3.png"]], 3),
        (("", "", "", "", ""), [["0.png", "1.png", "2.png", "3.png"]], 6),
    ],
)
def test_a_trial_captions_what_it_needs(
    captions: tuple[str, ...], shown: list[list[str]], to_caption: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The captioner sees the pictures of the trial in whole batches; its time grows to that of all others."""
    captioner, family, opened = Captioners(tuple(f"{place}.png" for place in range(5))), Eager(), pictures(*captions)
    monkeypatch.setattr("loraruner.plan.make_captions", captioner.make)
    few = prepare_few(PICTURES, opened, cast(Family, family), tmp_path, RUNTIME, DESK)
    assert captioner.shown == shown and family.given == [("0.png", "1.png", "2.png")]
    told = describe(PICTURES, opened, RUNTIME, COST, few)
    assert told["samples"]["to_caption"] == to_caption
    assert told["estimate"]["caption_s"] == (2.0 * to_caption if shown else 0.0)


def test_a_captioner_that_says_nothing_at_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """More pictures are shown to it; when it has nothing to say of any, that is 65."""
    captioner, family, opened = Captioners(("4.png",)), Eager(), pictures(*[""] * 5)
    monkeypatch.setattr("loraruner.plan.make_captions", captioner.make)
    prepare_few(PICTURES, opened, cast(Family, family), tmp_path, RUNTIME, DESK)
    assert family.given == [("4.png",)] and len(captioner.shown) == 2
    captioner.known = ()
    with pytest.raises(DataInvalid, match=r"\$\.data\.caption: blip said nothing about the first 6 pictures"):
        prepare_few(PICTURES, opened, cast(Family, family), tmp_path, RUNTIME, DESK)
