"""The cache of pieces: what is in it, when it is used again, and what becomes of clips that cannot be used."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loraruner.data.audio import load_audio
from loraruner.data.samples import Clip
from loraruner.errors import DataInvalid, EnvironmentUnfit, SpecInvalid
from loraruner.families.base import Base
from loraruner.families.speech import encoder, pieces
from loraruner.families.speech.items import read_items
from loraruner.families.speech.open_base import load_extractor, load_model, load_tokenizer
from loraruner.families.speech.tokens import encode_transcript
from loraruner.spec import Spec
from tests.families.speech.conftest import RUNTIME, MakeClip, Prepare, contents, with_options


def test_every_clip_becomes_a_piece_with_labels_and_states(
    prepare: Prepare, clips: tuple[Clip, ...], base: Base
) -> None:
    """The index names language, labels and file; a file holds the encoder's states of that clip alone, in fp16."""
    prepared = prepare(clips, evaluation=clips[:1])
    items = read_items(prepared.files["train"])
    tokenizer = load_tokenizer(base)
    assert [(item.id, item.clip, item.transcript, item.language) for item in items] == [
        ("a.wav", "a.wav", "The cat.", "en"),
        ("b.wav", "b.wav", "Und?", "de"),
    ]
    assert items[1].labels == encode_transcript(tokenizer, "Und?", "de", "transcribe")
    assert prepared.ids == {"train": ("a.wav", "b.wav"), "evaluation": ("a.wav",)}
    model, extractor = load_model(base, device="cpu", dtype="float32"), load_extractor(base)
    states = load_file(items[1].file)["states"]
    assert states.shape == (100, 16)
    assert torch.equal(states, encoder.encode_piece(model, extractor, encoder_input(clips[1]), 100))


def encoder_input(clip: Clip) -> Any:
    return load_audio(clip.path)


def test_every_piece_is_among_the_files(prepare: Prepare, clips: tuple[Clip, ...]) -> None:
    """Sizes can be summed over ``files``: each piece's file is there once, shared between the parts."""
    prepared = prepare(clips, evaluation=clips[:1])
    kept = {item.file for part in ("train", "evaluation") for item in read_items(prepared.files[part])}
    assert len(kept) == 2
    assert set(prepared.files.values()) == kept | {prepared.files["train"], prepared.files["evaluation"]}


def test_a_second_run_needs_no_model(prepare: Prepare, clips: tuple[Clip, ...], request: pytest.FixtureRequest) -> None:
    """What is cached is found by its content, whatever else the job holds: no base is loaded."""
    first = prepare(clips)
    request.getfixturevalue("no_model")
    assert prepare(clips) == first
    assert prepare(clips[1:], evaluation=clips[:1]).files["train"] != first.files["train"]


def test_a_rebuilt_cache_has_the_same_bytes(prepare: Prepare, clips: tuple[Clip, ...], tmp_path: Path) -> None:
    """In another folder, in another order, beside fewer clips: every file is the same bit for bit."""
    first = contents(prepare(clips))
    again = contents(prepare(clips, folder=tmp_path / "other"))
    alone = contents(prepare(clips[1:], folder=tmp_path / "third"))
    assert again == first
    assert {name: first[name] for name in alone if name != "train"} == {
        name: content for name, content in alone.items() if name != "train"
    }


@pytest.mark.parametrize("change", ["base", "frames", "threads", "dtype"])
def test_what_shapes_the_states_names_the_file(
    prepare: Prepare, clips: tuple[Clip, ...], spec: Spec, base: Base, change: str
) -> None:
    """Another base, cut, thread count or type never finds the states of the first one."""
    changes: dict[str, dict[str, Any]] = {
        "base": {"base": replace(base, digest="ef" * 32)},
        "frames": {"spec": with_options(spec, encoder_frames=50)},
        "threads": {"runtime": replace(RUNTIME, num_threads=2)},
        "dtype": {"runtime": replace(RUNTIME, dtype="bfloat16")},
    }
    assert set(prepare(clips, **changes[change]).files) & set(prepare(clips).files) == {"train"}


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", "float16"), ("fp16", "bfloat16")])
def test_two_types_of_sixteen_bits_are_refused(
    prepare: Prepare, clips: tuple[Clip, ...], precision: str, dtype: str
) -> None:
    """Kernels of normalisation take one of them: 64 that names the dtype, before anything is encoded."""
    with pytest.raises(SpecInvalid, match=rf"\$\.model\.dtype: {dtype} does not go with .* {precision}: .* auto or"):
        prepare(clips, runtime=replace(RUNTIME, precision=precision, dtype=dtype))


@pytest.mark.parametrize("change", [{"targets": "encoder"}, {"spec_augment": True}])
def test_an_encoder_that_runs_in_every_step_gets_audio(
    prepare: Prepare, clips: tuple[Clip, ...], spec: Spec, change: dict[str, Any], no_model: None
) -> None:
    """With LoRA in the encoder or SpecAugment a file holds the decoded audio, and no base is loaded for it."""
    lora = replace(spec.lora, targets=change.get("targets", "default"))
    changed = replace(with_options(spec, spec_augment=change.get("spec_augment", False)), lora=lora)
    items = read_items(prepare(clips, spec=changed).files["train"])
    audio = load_file(items[1].file)["audio"]
    assert audio.dtype == torch.float32
    assert torch.equal(audio, torch.from_numpy(encoder_input(clips[1])))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[12] ^= 0x20
    path.write_bytes(content)


def flip_a_state(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, flip_a_state, lambda path: path.write_bytes(b"")])
def test_a_damaged_file_is_made_anew(
    prepare: Prepare, clips: tuple[Clip, ...], damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """A cut, empty or garbled file, or one with a bit of a number flipped, is named and has its bytes again."""
    first = contents(prepared := prepare(clips))
    damaged = read_items(prepared.files["train"])[0].file
    damage(damaged)
    assert contents(prepare(clips)) == first
    assert f"{damaged} in the cache is damaged and is made anew" in caplog.text


def test_a_run_that_was_stopped_goes_on(
    prepare: Prepare, clips: tuple[Clip, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was encoded before a kill is there for the next attempt, which encodes the rest alone."""
    encode, calls = encoder.encode_piece, []

    def stopping(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(*args)

    monkeypatch.setattr(encoder, "encode_piece", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare(clips)
    prepare(clips)
    assert len(calls) == 3


def test_bad_clips_are_skipped_with_the_reason(prepare: Prepare, clips: tuple[Clip, ...], make_clip: MakeClip) -> None:
    """Too long a transcript and a row's unknown language or impossible task leave the rest usable."""
    bad = (make_clip("c.wav", "x" * 450), make_clip("d.wav", "Ja.", language="da"), make_clip("e.wav", " "))
    prepared = prepare((*bad, *clips))
    assert prepared.ids["train"] == ("a.wav", "b.wav")
    reasons = {skipped.name: skipped.reason for skipped in prepared.skipped}
    assert "tokens long" in reasons["c.wav"]
    assert "'da' is no language of the base" in reasons["d.wav"]
    assert "is empty" in reasons["e.wav"]
    with pytest.raises(
        DataInvalid, match=r"^\$\.evaluation: none of 3 clips is usable .* e\.wav: its transcript is empty"
    ):
        prepare(clips, evaluation=bad)


def test_states_that_are_not_finite_skip_the_clip(
    prepare: Prepare, clips: tuple[Clip, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clip is skipped by name, no file of it is left, and the others train."""
    heard = encoder.log_mel

    def broken(extractor: Any, audio: Any) -> Any:
        return heard(extractor, audio) * (float("nan") if len(audio) == len(encoder_input(clips[0])) else 1)

    monkeypatch.setattr(encoder, "log_mel", broken)
    prepared = prepare(clips)
    assert [skipped.name for skipped in prepared.skipped] == ["a.wav"]
    assert "not finite" in prepared.skipped[0].reason
    assert prepared.ids["train"] == ("b.wav",)
    assert len(list(prepared.files["train"].parent.rglob("*.safetensors"))) == 1


def test_the_jobs_language_is_asked_for(
    prepare: Prepare, clips: tuple[Clip, ...], spec: Spec, english_base: Base
) -> None:
    """A multilingual base without a language for a clip is 64 on the option; an English-only one needs none."""
    unnamed = with_options(spec, language=None)
    with pytest.raises(SpecInvalid, match=r"\$\.options\.language: is not set"):
        prepare(clips, spec=unnamed)
    assert prepare(clips[1:], spec=unnamed).ids["train"] == ("b.wav",)
    english = prepare(clips, spec=unnamed, base=english_base)
    assert [item.language for item in read_items(english.files["train"])] == [None]
    assert [skipped.name for skipped in english.skipped] == ["b.wav"]


def test_a_small_disk_is_named_before_anything_is_encoded(
    prepare: Prepare, clips: tuple[Clip, ...], monkeypatch: pytest.MonkeyPatch, no_model: None
) -> None:
    """Two pieces of 100 states of 16 numbers are 6,400 bytes; a disk with less is 78."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(EnvironmentUnfit, match=r"the encoder states: 6,400 bytes needed, 1,000 free"):
        prepare(clips)


def test_progress_is_logged_now_and_then(
    prepare: Prepare, clips: tuple[Clip, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line says how far a long encoding is and how long it still takes, and one at its end what was done."""
    monkeypatch.setattr(pieces, "LOG_EVERY_S", 0.0)
    caplog.set_level(logging.INFO)
    prepare(clips)
    said = [record.getMessage() for record in caplog.records if record.name == pieces.__name__]
    assert said[0].startswith("1 of 2 pieces of clips encoded, ")
    assert said[1].startswith("2 pieces of clips encoded in ")
    assert len(said) == 2
