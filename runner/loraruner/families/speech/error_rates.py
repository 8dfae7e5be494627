"""Word and character error rates, raw and as Whisper's authors count them (arXiv 2212.04356, appendix C).

A rate is the least number of words (characters) to put in, take out or exchange, over all transcripts, divided by the
number in all references; it may exceed 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jiwer
from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

from loraruner.errors import DataInvalid
from loraruner.families.speech.items import Item

ENGLISH = "en"
SPACELESS = frozenset({"ja", "lo", "my", "th", "yue", "zh"})  # written without spaces between words


@dataclass(frozen=True)
class Heard:
    """A whole clip: what was said in it, and what a model heard; pieces are joined."""

    clip: str
    reference: str
    text: str
    language: str | None  # of the texts: a translation is English, whatever was spoken


def join_pieces(items: Sequence[Item], texts: Sequence[str]) -> list[Heard]:
    """One entry a clip, in the order of the items; ``texts[i]`` was heard in ``items[i]``."""
    clips: dict[str, Heard] = {}
    for item, text in zip(items, texts, strict=True):
        clip, language = clips.get(item.clip), ENGLISH if item.whisper_task == "translate" else item.language
        if clip is None:
            clips[item.clip] = Heard(item.clip, item.transcript, text, language)
            continue
        reference = join_texts((clip.reference, item.transcript), language)
        clips[item.clip] = replace(clip, reference=reference, text=join_texts((clip.text, text), language))
    return list(clips.values())


def join_texts(texts: Sequence[str], language: str | None) -> str:
    """Texts of successive pieces as one, with the spaces that the language has."""
    return ("" if language in SPACELESS else " ").join(text for text in texts if text)


def error_rates(
    references: Sequence[str], hypotheses: Sequence[str], languages: Sequence[str | None], tokenizer: Any
) -> dict[str, float]:
    """``wer`` and ``cer`` of normalised texts, ``wer_raw`` and ``cer_raw`` of texts as they are (white space aside).

    References without a word once normalised ("(laughs)", "...") are left out of ``wer`` and ``cer``. Where a language
    has no spaces, each character is a word of ``wer``, as in Whisper's paper. Raises DataInvalid when nothing is left.
    """
    normaliser, pairs = Normaliser(tokenizer), list(zip(references, hypotheses, languages, strict=True))
    raw = _scored([(_spaced(said), _spaced(heard)) for said, heard, _ in pairs])
    plain = _scored([(normaliser.text(said, code), normaliser.text(heard, code)) for said, heard, code in pairs])
    words = _scored([(normaliser.words(said, code), normaliser.words(heard, code)) for said, heard, code in pairs])
    return {
        "wer": jiwer.wer(*words),
        "wer_raw": jiwer.wer(*raw),
        "cer": jiwer.cer(*plain),
        "cer_raw": jiwer.cer(*raw),
    }


def measure(items: Sequence[Item], texts: Sequence[str], tokenizer: Any) -> dict[str, float]:
    """``error_rates`` of clips whose pieces ``items`` were heard as ``texts``."""
    clips = join_pieces(items, texts)
    languages = [clip.language for clip in clips]
    return error_rates([clip.reference for clip in clips], [clip.text for clip in clips], languages, tokenizer)


class Normaliser:
    """Whisper's own text normalisers: case and punctuation go, for English contractions, numbers and titles too.

    British spellings become American ones only where the tokenizer brings the table (``normalizer.json``); without it
    "harbour" and "harbor" differ. A language is a code such as "en", or None with an English-only base.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._english = EnglishTextNormalizer(getattr(tokenizer, "english_spelling_normalizer", None) or {})
        self._other = BasicTextNormalizer()
        self._letters = BasicTextNormalizer(split_letters=True)

    def text(self, text: str, language: str | None) -> str:
        """The text that ``cer`` compares."""
        return _spaced(self._english(text) if language in (None, ENGLISH) else self._other(text))

    def words(self, text: str, language: str | None) -> str:
        """The words that ``wer`` compares, with spaces between; letters where the language has no spaces."""
        return _spaced(self._letters(text)) if language in SPACELESS else self.text(text, language)


def word_errors(normaliser: Normaliser, clip: Heard) -> tuple[int, int]:
    """Number of word errors in one clip and of words in its reference, as ``wer`` counts them; (0, 0) if left out."""
    reference = normaliser.words(clip.reference, clip.language)
    if not reference:
        return 0, 0
    counts = jiwer.process_words(reference, normaliser.words(clip.text, clip.language))
    return counts.substitutions + counts.deletions + counts.insertions, len(reference.split())


def _spaced(text: str) -> str:
    """Words with single spaces; jiwer splits at spaces alone."""
    return " ".join(text.split())


def _scored(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """References and hypotheses without the pairs whose reference is empty."""
    kept = [pair for pair in pairs if pair[0]]
    if not kept:
        raise DataInvalid(
            f"none of the {len(pairs)} held-out transcripts holds a word, so no error can be counted; "
            "hold out clips in which somebody speaks ($.evaluation)"
        )
    return [pair[0] for pair in kept], [pair[1] for pair in kept]
