"""Long clips are divided among their pieces by what the base hears, once; one that cannot be is skipped."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loraruner import seals
from loraruner.data.samples import Clip
from loraruner.families.speech import long_clips, transcribe
from loraruner.families.speech.items import Item, read_items
from loraruner.spec import Spec
from tests.families.speech.conftest import MakeClip, Prepare, contents, with_options

PIECES = ((0, 8_000), (8_000, 16_000), (16_000, 20_000))


@pytest.fixture
def hears(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[Item]]]:
    """Let the base hear given texts, in place of what random weights make up; the items of each call are kept."""

    def install(*texts: str) -> list[list[Item]]:
        calls: list[list[Item]] = []

        def said(model: Any, tokenizer: Any, items: list[Item], states: Any, **options: Any) -> list[str]:
            assert states(items).shape[0] == len(items)
            calls.append(list(items))
            return list(texts)

        monkeypatch.setattr(transcribe, "transcribe", said)
        return calls

    return install


@pytest.fixture
def long_clip(make_clip: MakeClip) -> Clip:
    return make_clip("long.wav", "One two three. Four five.", seconds=1.25, pieces=PIECES)


def test_a_long_clip_is_divided_by_what_the_base_hears(
    prepare: Prepare, long_clip: Clip, hears: Callable[..., list[list[Item]]]
) -> None:
    """Each piece gets its words and its own states; one in which nothing is said is left out."""
    calls = hears("one two tree", "", "four five")
    prepared = prepare((long_clip,))
    items = read_items(prepared.files["train"])
    assert [(item.id, item.clip, item.transcript) for item in items] == [
        ("long.wav", "long.wav", "One two three."),
        ("long.wav#3", "long.wav", "Four five."),
    ]
    assert prepared.ids["train"] == ("long.wav",)
    assert [item.id for item in calls[0]] == ["long.wav", "long.wav#2", "long.wav#3"]
    assert items[0].file != items[1].file


def test_a_divided_clip_needs_no_model_again(
    prepare: Prepare, long_clip: Clip, hears: Callable[..., list[list[Item]]], request: pytest.FixtureRequest
) -> None:
    """What was heard is cached by its content: a mended transcript is divided anew without the base."""
    calls = hears("one two tree", "", "four five")
    first = prepare((long_clip,))
    request.getfixturevalue("no_model")
    assert prepare((long_clip,)) == first
    mended = prepare((replace(long_clip, transcript="One, two, three. Four - five!"),))
    assert [item.transcript for item in read_items(mended.files["train"])] == ["One, two, three.", "Four - five!"]
    assert len(calls) == 1


def test_what_is_heard_in_audio_is_kept_apart(
    prepare: Prepare, long_clip: Clip, spec: Spec, hears: Callable[..., list[list[Item]]]
) -> None:
    """States from audio are not rounded as stored ones are, so neither job takes what the other has heard."""
    calls = hears("one two tree", "", "four five")
    prepare((long_clip,))
    prepare((long_clip,), spec=with_options(spec, spec_augment=True))
    prepare((long_clip,), spec=with_options(spec, spec_augment=True))
    assert len(calls) == 2


@pytest.mark.parametrize("content", [b"{", b'["one two three", "", "four five"]'])
def test_damaged_hearing_is_heard_anew(
    prepare: Prepare, long_clip: Clip, hears: Callable[..., list[list[Item]]], content: bytes
) -> None:
    """A file of heard texts without the digest of what it says is made again."""
    calls = hears("one two tree", "", "four five")
    first = prepare((long_clip,))
    heard = next((first.files["train"].parent / "heard").glob("*.json"))
    heard.write_bytes(content)
    assert prepare((long_clip,)) == first
    assert len(calls) == 2
    assert seals.read_json(heard) == ["one two tree", "", "four five"]


def test_a_clip_that_cannot_be_divided_is_skipped(
    prepare: Prepare, clips: tuple[Clip, ...], long_clip: Clip, hears: Callable[..., list[list[Item]]]
) -> None:
    """A base that hears other words than the transcript says leaves the long clip out, with the reason."""
    hears("nothing", "of", "it")
    prepared = prepare((*clips, long_clip))
    assert [skipped.name for skipped in prepared.skipped] == ["long.wav"]
    assert "could not be divided" in prepared.skipped[0].reason
    assert prepared.ids["train"] == ("a.wav", "b.wav")


def test_the_real_decoder_divides_or_skips(
    prepare: Prepare, clips: tuple[Clip, ...], long_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the base's own ears, which are random here, two empty caches come to the same end."""
    monkeypatch.setattr(long_clips, "HEARD_TOKENS", 8)
    first, again = (prepare((*clips, long_clip), folder=tmp_path / name) for name in ("one", "two"))
    assert contents(first) == contents(again)
    assert first.skipped == again.skipped
