"""Labels and prompts are those of Whisper's own tokenizer; languages are asked for where the base needs one."""

from typing import Any

import pytest
from transformers import WhisperTokenizer

from loraruner.data.lines import BadValue
from loraruner.errors import SpecInvalid
from loraruner.families.base import Base
from loraruner.families.speech import tokens
from loraruner.families.speech.open_base import load_tokenizer


@pytest.fixture
def tokenizer(base: Base) -> Any:
    return load_tokenizer(base)


@pytest.fixture
def english(english_base: Base) -> Any:
    return load_tokenizer(english_base)


@pytest.mark.parametrize("text", ["The cat.", "  Größe — 漢字\n", "a"])
@pytest.mark.parametrize(("language", "task"), [("en", "transcribe"), ("de", "translate")])
def test_labels_are_those_of_the_tokenizer_without_the_start(
    tokenizer: Any, text: str, language: str, task: str
) -> None:
    """Language, task, no timestamps, a space and the text, end: what set_prefix_tokens makes, less the start token."""
    labels = tokens.encode_transcript(tokenizer, text, language, task)
    prompt = tokens.prompt_tokens(tokenizer, language, task)
    tokenizer.set_prefix_tokens(language=language, task=task, predict_timestamps=False)
    start, *expected = tokenizer(" " + text.strip()).input_ids
    assert labels == tuple(expected)
    assert prompt == tuple(tokenizer.prefix_tokens)
    assert prompt == (start, *labels[:3])


def test_an_english_only_base_is_told_neither_language_nor_task(english: Any) -> None:
    """Its labels are no timestamps, text, end."""
    labels = tokens.encode_transcript(english, "cat", None, "transcribe")
    assert english.convert_ids_to_tokens(labels) == ["<|notimestamps|>", "Ġ", "c", "a", "t", "<|endoftext|>"]
    assert tokens.prompt_tokens(english, None, "transcribe") == (english.convert_tokens_to_ids(tokens.START), labels[0])


def test_every_transcript_that_fits_the_decoder_is_taken(tokenizer: Any) -> None:
    """448 labels are as many as the decoder has positions; one more is refused with both numbers."""
    longest = "x" * (448 - 5)  # three tags, a space, the end
    assert len(tokens.encode_transcript(tokenizer, longest, "en", "transcribe")) == 448
    with pytest.raises(BadValue, match=r"is 449 tokens long and the decoder takes 448"):
        tokens.encode_transcript(tokenizer, longest + "x", "en", "transcribe")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("a<|endoftext|>b", r"holds <\|endoftext\|>"),
        ("<|0.00|>", r"<\|0\.00\|>"),
    ],
)
def test_a_transcript_that_would_mislead_is_refused(tokenizer: Any, text: str, reason: str) -> None:
    """Nothing to learn, or a tag of the model's own in the text: one reason."""
    with pytest.raises(BadValue, match=reason):
        tokens.encode_transcript(tokenizer, text, "en", "transcribe")


def test_languages_are_the_tokenizers_own(tokenizer: Any, english: Any) -> None:
    """A multilingual base names its languages in its own order; an English-only one needs none."""
    assert list(tokens.languages(tokenizer)) == ["en", "zh", "de", "es", "fr", "sv", "haw"]
    assert tokens.is_multilingual(tokenizer)
    assert not tokens.is_multilingual(english)


def test_language_tags_do_not_make_an_english_only_base_multilingual() -> None:
    """OpenAI's .en bases carry tags that they never learnt: GPT-2's vocabulary tells them apart."""
    words = {f"w{place}": place for place in range(tokens.GPT2_END)}
    tokenizer = WhisperTokenizer(vocab=words | {"<|endoftext|>": tokens.GPT2_END}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|startoftranscript|>", "<|en|>", "<|de|>"]})
    assert not tokens.is_multilingual(tokenizer)


@pytest.mark.parametrize(("named", "code"), [("de", "de"), ("German", "de"), (" FR ", "fr"), ("mandarin", "zh")])
def test_a_language_is_understood_by_code_or_name(tokenizer: Any, named: str, code: str) -> None:
    """What transformers takes as a language is its code in the tokens."""
    assert tokens.require_language(tokenizer, named, "transcribe") == code


def test_a_multilingual_base_needs_a_language_that_it_knows(tokenizer: Any) -> None:
    """None is SpecInvalid naming the option; so is an unknown one, with the nearest and the known ones."""
    with pytest.raises(
        SpecInvalid, match=r"\$\.options\.language: is not set, and the base knows en, zh, de, .*such as en"
    ):
        tokens.require_language(tokenizer, None, "transcribe")
    with pytest.raises(SpecInvalid, match=r"'ha' is no language of the base: did you mean haw\? it knows en, zh"):
        tokens.require_language(tokenizer, "ha", "transcribe")


@pytest.mark.parametrize("named", [None, "en", "English"])
def test_an_english_only_base_takes_english(english: Any, named: str | None) -> None:
    """English by any name, or none, is nothing to tell it."""
    assert tokens.require_language(english, named, "transcribe") is None


@pytest.mark.parametrize(
    ("language", "task", "message"),
    [
        ("de", "transcribe", r"\$\.options\.language: 'de' is not what this English-only base \(\.en\) hears"),
        ("en", "translate", r"\$\.options\.whisper_task: this English-only base \(\.en\) cannot translate"),
    ],
)
def test_an_english_only_base_refuses_the_rest(english: Any, language: str, task: str, message: str) -> None:
    """Another language, and translation, need a multilingual base: 64 on the option."""
    with pytest.raises(SpecInvalid, match=message):
        tokens.require_language(english, language, task)
