"""Transcripts as Whisper's decoder reads them (arXiv 2212.04356, section 2.3 and figure 1), without timestamps.

Multilingual: start, language, task, no timestamps, text, end. English-only (``.en``): start, no timestamps, text, end.
No torch.
"""

import difflib
import re
from typing import Any

from loraruner.data.lines import BadValue
from loraruner.errors import SpecInvalid

START, NO_TIMESTAMPS = "<|startoftranscript|>", "<|notimestamps|>"
TASKS = ("<|transcribe|>", "<|translate|>")
LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")  # no other tag is as short
TRANSCRIBE = "transcribe"
MAX_TOKENS = 448  # positions of the decoder, of every Whisper
GPT2_END = 50256  # English-only Whispers use GPT-2's vocabulary, and carry language tokens that they never learnt
NUM_SHOWN = 12


def languages(tokenizer: Any) -> dict[str, int]:
    """Codes of the languages that the base was trained on, and their tokens; empty for an English-only base."""
    if tokenizer.eos_token_id == GPT2_END:
        return {}
    found = ((LANGUAGE.fullmatch(token), place) for token, place in tokenizer.get_added_vocab().items())
    return dict(sorted(((match[1], place) for match, place in found if match), key=lambda entry: entry[1]))


def is_multilingual(tokenizer: Any) -> bool:
    """Whether the base wants a language and a task before the text."""
    return bool(languages(tokenizer))


def known_language(tokenizer: Any, language: str | None, whisper_task: str) -> str | None:
    """``language`` as the base's own code (names such as "german" are understood); None with an English-only base.

    Raises BadValue when the base does not know it, when it needs one and none is given, or for what an English-only
    base cannot do.
    """
    known = languages(tokenizer)
    if not known:
        _check_english(language, whisper_task)
        return None
    if language is None:
        raise BadValue(f"is not set, and the base knows {_some(known)}: set it to the language spoken, such as en")
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    code = language.strip().lower()
    code = code if code in known else TO_LANGUAGE_CODE.get(code, code)
    if code not in known:
        near = difflib.get_close_matches(code, known, n=1, cutoff=0.6)
        meant = f"did you mean {near[0]}? " if near else ""
        raise BadValue(f"{language!r} is no language of the base: {meant}it knows {_some(known)}")
    return code


def _check_english(language: str | None, whisper_task: str) -> None:
    if whisper_task != TRANSCRIBE:
        raise BadValue(f"this English-only base (.en) cannot {whisper_task}: use a multilingual Whisper")
    if language is not None and language.lower() not in ("en", "english"):
        raise BadValue(f"{language!r} is not what this English-only base (.en) hears: use a multilingual Whisper")


def _some(known: dict[str, int]) -> str:
    shown = list(known)[:NUM_SHOWN]
    more = len(known) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def require_language(tokenizer: Any, language: str | None, whisper_task: str) -> str | None:
    """``known_language`` of the job's own options; SpecInvalid naming the option that does not suit the base."""
    try:
        return known_language(tokenizer, language, whisper_task)
    except BadValue as fault:
        option = "language" if whisper_task == TRANSCRIBE or is_multilingual(tokenizer) else "whisper_task"
        raise SpecInvalid(f"$.options.{option}: {fault}") from fault


def prompt_tokens(tokenizer: Any, language: str | None, whisper_task: str) -> tuple[int, ...]:
    """What the decoder is given before the first word: start, language and task (with a language), no timestamps."""
    tags = [] if language is None else [f"<|{language}|>", f"<|{whisper_task}|>"]
    return tuple(tokenizer.convert_tokens_to_ids([START, *tags, NO_TIMESTAMPS]))


def encode_transcript(tokenizer: Any, text: str, language: str | None, whisper_task: str) -> tuple[int, ...]:
    """Labels of a transcript: language, task, no timestamps, " " + text, end of text; the start token is dropped.

    The model makes its input by shifting them behind the start token. Raises BadValue for an empty text, a tag of the
    model's own such as <|en|> in it, or more tokens than the decoder has positions.
    """
    if not text.strip():
        raise BadValue("its transcript is empty")
    said = tokenizer.encode(f" {text.strip()}", add_special_tokens=False)
    end = tokenizer.eos_token_id
    added = tokenizer.convert_ids_to_tokens([token for token in said if token >= end])
    tag = next((token for token in added if token.startswith("<|")), None)
    if tag is not None:
        raise BadValue(f"its transcript holds {tag}, a tag that steers the model: take it out")
    prompt = prompt_tokens(tokenizer, language, whisper_task)[1:]
    labels = (*prompt, *said, end)
    if len(labels) > MAX_TOKENS:
        raise BadValue(
            f"its transcript is {len(labels)} tokens long and the decoder takes {MAX_TOKENS}: make shorter clips of it"
        )
    return labels
