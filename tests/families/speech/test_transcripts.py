"""Held-out clips and named recordings, transcribed without and with an adapter."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loraruner.errors import DataInvalid, InputMissing, Preempted, SpecInvalid
from loraruner.families.base import Base, Prepared, Request, Trials
from loraruner.families.speech import generate as module
from loraruner.families.speech.encoder import encode_piece, write_audio, write_states
from loraruner.families.speech.generate import generate
from loraruner.families.speech.items import Item, write_items
from loraruner.families.speech.open_base import load_extractor, load_model
from loraruner.spec import Data, Model, Output, Spec, SpeechOptions
from tests.support.lively_whisper import write_lively_whisper
from tests.support.tiny_whisper import write_tone
from tests.support.usable import write_adapter


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The tiny Whisper and an adapter for it; tests must not change them."""
    base, adapter = tmp_path_factory.mktemp("tiny-whisper"), tmp_path_factory.mktemp("adapter")
    write_lively_whisper(base)
    write_adapter(base, adapter, std=2.0)
    return base, adapter


@pytest.fixture
def base(folders: tuple[Path, Path]) -> Base:
    return Base(folders[0], "ab" * 32, "hf://org/tiny@main")


@pytest.fixture
def adapter(folders: tuple[Path, Path]) -> Path:
    return folders[1]


@pytest.fixture
def spec() -> Spec:
    return Spec(
        name="tiny",
        task="automatic-speech-recognition",
        model=Model(base="hf://org/tiny@main"),
        data=Data(uri="clips"),
        options=SpeechOptions(language="en", max_new_tokens=5),
        output=Output(uri="out", formats=("peft",)),
    )


def held_out(folder: Path, base: Base, names: list[str], *, cached: bool = True) -> Prepared:
    """One item a name; ``a#2`` is the second piece of clip a. Item n is a tone of 1 + n / 2 s."""
    from loraruner.data.audio import load_audio

    model, extractor = load_model(base, device="cpu", dtype="float32"), load_extractor(base)
    items = []
    for place, name in enumerate(names):
        write_tone(folder / f"{place}.wav", 1 + place / 2, pitch_hz=200 + 300 * place)
        audio, file = load_audio(folder / f"{place}.wav"), folder / f"{place}.safetensors"
        if cached:
            write_states(file, encode_piece(model, extractor, audio, 1500))
        else:
            write_audio(file, audio)
        items.append(Item(name, name.split("#")[0], f"words of {place}", (1,), "en", "transcribe", file))
    write_items(folder / "evaluation.json", items)
    return Prepared({"evaluation": folder / "evaluation.json"}, {"evaluation": tuple(names)})


def test_held_out_clips(spec: Spec, base: Base, adapter: Path, tmp_path: Path) -> None:
    """Every clip is a line with its errors, pieces joined; measures are rates of those lines; trials are the worst."""
    prepared = held_out(tmp_path, base, ["b", "a", "a#2"])
    tried = generate(spec, base, adapter, Request((), 0, held_out=prepared), tmp_path / "samples")
    lines = [json.loads(line) for line in (tmp_path / "samples/transcripts.jsonl").read_text().splitlines()]
    assert [(line["clip"], line["reference"]) for line in lines] == [
        ("b", "words of 0"),
        ("a", "words of 1 words of 2"),
    ]
    assert [line["words"] for line in lines] == [3, 6]
    assert all(line["before"] != line["after"] for line in lines)
    for when in ("before", "after"):
        assert tried.measures[f"wer.{when}"] == sum(line[f"word_errors_{when}"] for line in lines) / 9
    names = {f"{name}.{when}" for name in ("wer", "wer_raw", "cer", "cer_raw") for when in ("before", "after")}
    assert set(tried.measures) == names
    assert {trial.prompt: (trial.before, trial.after, trial.reference) for trial in tried.trials} == {
        line["clip"]: (line["before"], line["after"], line["reference"]) for line in lines
    }
    assert tried.files == ("transcripts.jsonl",)


def test_cached_states_are_what_the_encoder_says(spec: Spec, base: Base, adapter: Path, tmp_path: Path) -> None:
    """The same clips as audio, for an encoder that is trained, give the same transcripts."""
    texts = []
    for cached in (True, False):
        folder = tmp_path / str(cached)
        prepared = held_out(folder, base, ["a", "b"], cached=cached)
        texts.append(generate(spec, base, adapter, Request((), 0, held_out=prepared), folder / "samples").trials)
    assert texts[0] == texts[1]


def test_the_worst_clips_come_first(spec: Spec, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most word errors after, then the highest share of wrong words, then the name; no more than ten."""
    said = {"d": "x", "c": "words", "b": "words", "a": "x y"} | {f"ok{n}": "fine" for n in range(9)}
    heard = {"d": "", "c": "", "b": "", "a": "x"}
    items = [Item(name, name, text, (1,), "de", "transcribe", tmp_path / "none") for name, text in said.items()]
    write_items(tmp_path / "evaluation.json", items)
    monkeypatch.setattr(module, "_Listener", lambda *_: Listener([heard.get(each.clip, "fine") for each in items]))
    prepared = Prepared({"evaluation": tmp_path / "evaluation.json"}, {})
    tried = generate(spec, base, Path("adapter"), Request((), 0, held_out=prepared), tmp_path / "samples")
    assert [trial.prompt for trial in tried.trials] == ["b", "c", "d", "a", *(f"ok{n}" for n in range(6))]


class Listener:
    """Hears what it is told to hear."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def hear(self, items: object, between: Callable[[], None]) -> tuple[list[str], list[str]]:
        return self.texts, self.texts


@pytest.mark.parametrize("held", [True, False])
def test_nothing_to_try(spec: Spec, base: Base, tmp_path: Path, held: bool) -> None:
    """Nothing held out (whatever the prompts), or no prompts: nothing is loaded and nothing written."""
    request = Request(("a.wav",), 0, held_out=Prepared({}, {})) if held else Request((), 0)
    assert generate(spec, replace(base, path=tmp_path / "none"), None, request, tmp_path / "samples") == Trials(())
    assert not (tmp_path / "samples").exists()


def test_recordings(spec: Spec, base: Base, adapter: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A short and a long one, the latter heard in pieces and joined; the file says what the trials say, stderr nothing.

    The bare base hears what is before, and nothing after.
    """
    write_tone(tmp_path / "short.wav", 1.5)
    write_tone(tmp_path / "long.wav", 35.0, pitch_hz=300.0, pauses_s=[(19.5, 20.5)])
    paths = (str(tmp_path / "long.wav"), str(tmp_path / "short.wav"), str(tmp_path / "short.wav"))
    capfd.readouterr()
    tried = generate(spec, base, adapter, Request(paths, 0), tmp_path / "samples")
    assert capfd.readouterr() == ("", "")
    assert [trial.prompt for trial in tried.trials] == [*paths[:2]]
    assert all(trial.before and trial.after and trial.before != trial.after for trial in tried.trials)
    assert len(tried.trials[0].before) > len(tried.trials[1].before)
    written = json.loads((tmp_path / "samples/transcripts.json").read_text())
    assert written == {
        "trials": [{"clip": trial.prompt, "before": trial.before, "after": trial.after} for trial in tried.trials]
    }
    bare = generate(spec, base, None, Request(paths, 0), tmp_path / "bare").trials
    assert [(trial.before, trial.after) for trial in bare] == [(trial.before, "") for trial in tried.trials]


@pytest.mark.parametrize(
    ("path", "language", "error", "reason"),
    [
        (
            "tone.wav",
            None,
            SpecInvalid,
            r"\$\.options\.language, or infer --language: is not set, and the base knows en",
        ),
        ("tone.wav", "xx", SpecInvalid, "--language: 'xx' is no language of the base"),
        ("none.wav", "en", InputMissing, "none.wav"),
        ("text.wav", "en", DataInvalid, "text.wav"),
    ],
)
def test_recordings_that_cannot_be_heard(
    spec: Spec, base: Base, tmp_path: Path, path: str, language: str | None, error: type[Exception], reason: str
) -> None:
    """No language, a strange one, no such file, a file that is no recording: refused, and nothing is written."""
    write_tone(tmp_path / "tone.wav", 1.0)
    (tmp_path / "text.wav").write_text("no recording")
    asked = replace(spec, options=SpeechOptions(language=language))
    with pytest.raises(error, match=reason):
        generate(asked, base, None, Request((str(tmp_path / path),), 0), tmp_path / "samples")
    assert not (tmp_path / "samples").exists()


def test_an_english_only_base_needs_no_language(spec: Spec, tmp_path: Path) -> None:
    """It hears without --language."""
    write_lively_whisper(tmp_path / "base", multilingual=False)
    write_tone(tmp_path / "tone.wav", 1.0)
    asked = replace(spec, options=SpeechOptions(max_new_tokens=3))
    base = Base(tmp_path / "base", "ab" * 32, "hf://org/tiny.en@main")
    tried = generate(asked, base, None, Request((str(tmp_path / "tone.wav"),), 0), tmp_path / "samples")
    assert tried.trials[0].before


def test_a_signal_leaves_no_file(spec: Spec, base: Base, adapter: Path, tmp_path: Path) -> None:
    """What the hook raises while transcribing with the adapter ends it, with nothing written."""
    calls: list[int] = []

    def between() -> None:
        calls.append(1)
        if len(calls) == 9:  # one batch of six calls is before, the rest after
            raise Preempted("stop")

    prepared = held_out(tmp_path, base, ["a"])
    with pytest.raises(Preempted):
        generate(spec, base, adapter, Request((), 0, between, prepared), tmp_path / "samples")
    assert not (tmp_path / "samples").exists()
