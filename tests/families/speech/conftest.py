"""The tiny Whispers of tests.support.tiny_whisper, as bases, with a job and a few recordings."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loraruner.data.samples import Clip
from loraruner.families.base import Base, Prepared, Runtime, Samples
from loraruner.families.speech import cache, open_base
from loraruner.spec import Data, Lora, Model, Output, Spec, SpeechOptions
from tests.support.tiny_whisper import write_tiny_whisper, write_tone

RUNTIME = Runtime(device="cpu", precision="fp32", dtype="float32", num_threads=1)
RATE_HZ = 16_000

MakeClip = Callable[..., Clip]
Prepare = Callable[..., Prepared]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multilingual Whisper with 80 mel bins as a Hugging Face folder; tests must not change it."""
    folder = tmp_path_factory.mktemp("tiny-whisper")
    write_tiny_whisper(folder)
    return folder


@pytest.fixture(scope="session")
def english_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An English-only Whisper with one layer; tests must not change it."""
    folder = tmp_path_factory.mktemp("tiny-whisper-en")
    write_tiny_whisper(folder, multilingual=False, layers=1)
    return folder


@pytest.fixture
def base(tiny_folder: Path) -> Base:
    return Base(path=tiny_folder, digest="ab" * 32, uri="hf://org/tiny@main")


@pytest.fixture
def english_base(english_folder: Path) -> Base:
    return Base(path=english_folder, digest="cd" * 32, uri="hf://org/tiny.en@main")


@pytest.fixture
def spec() -> Spec:
    return Spec(
        name="tiny",
        task="automatic-speech-recognition",
        model=Model(base="hf://org/tiny@main"),
        data=Data(uri="clips"),
        lora=Lora(rank=4, alpha=16.0),
        options=SpeechOptions(language="en", encoder_frames=100, max_new_tokens=8),
        output=Output(uri="out", formats=("peft",)),
    )


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Write a tone and name it: ``seconds`` and keywords of ``write_tone``, the transcript, fields of ``Clip``."""

    def make(
        name: str, transcript: str, *, seconds: float = 0.4, pieces: Sequence[tuple[int, int]] = (), **more: Any
    ) -> Clip:
        fields = {key: more.pop(key) for key in ("language", "whisper_task") if key in more}
        path = tmp_path / "clips" / name
        write_tone(path, seconds, **more)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Clip(name, path, transcript, digest, tuple(pieces) or ((0, round(seconds * RATE_HZ)),), **fields)

    return make


def with_options(spec: Spec, **changes: Any) -> Spec:
    assert isinstance(spec.options, SpeechOptions)
    return replace(spec, options=replace(spec.options, **changes))


@pytest.fixture
def clips(make_clip: MakeClip) -> tuple[Clip, ...]:
    return (make_clip("a.wav", "The cat."), make_clip("b.wav", "Und?", seconds=0.7, pitch_hz=440, language="de"))


@pytest.fixture
def prepare(spec: Spec, base: Base, tmp_path: Path) -> Prepare:
    """``cache.prepare`` of training clips; keywords: the job, the base, other samples, another folder."""

    def run(train: tuple[Clip, ...], **other: Any) -> Prepared:
        samples = Samples(train, other.get("evaluation", ()))
        folder = other.get("folder", tmp_path / "cache")
        runtime = other.get("runtime", RUNTIME)
        return cache.prepare(other.get("spec", spec), other.get("base", base), samples, folder, runtime)

    return run


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base must not be loaded."""

    def refuse(*args: object, **options: object) -> None:
        pytest.fail("the model was loaded though everything is cached")

    monkeypatch.setattr(open_base, "load_model", refuse)


def contents(prepared: Prepared) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in prepared.files.items()}
