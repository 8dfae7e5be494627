"""Error rates against values counted by hand."""

from types import SimpleNamespace
from typing import Any

import pytest

from loraruner.errors import DataInvalid
from loraruner.families.speech.error_rates import Heard, Normaliser, error_rates, join_pieces, measure, word_errors
from loraruner.families.speech.items import Item

AMERICAN = SimpleNamespace(english_spelling_normalizer={"harbour": "harbor"})
PLAIN = SimpleNamespace(english_spelling_normalizer=None)


def rates(*triples: tuple[str, str, str | None], tokenizer: Any = PLAIN) -> dict[str, float]:
    references, hypotheses, languages = zip(*triples, strict=True)
    return error_rates(references, hypotheses, languages, tokenizer)


def test_rates_count_over_all_clips() -> None:
    """One wrong word of two, three right ones: 1/5, not the mean of the clips; letters alike."""
    found = rates(("one two", "one too", "de"), ("a bb c", "a bb c", "de"))
    assert found == {"wer": 1 / 5, "wer_raw": 1 / 5, "cer": 1 / 13, "cer_raw": 1 / 13}


def test_raw_rates_count_case_and_punctuation() -> None:
    """Raw: "Oil" and "it." are wrong; normalised: nothing is. White space counts in neither."""
    found = rates(("Oil  the lathe\nnow, it.", "oil the lathe now, it", None))
    assert found == {"wer": 0.0, "wer_raw": 2 / 5, "cer": 0.0, "cer_raw": 2 / 22}


def test_words_left_out_and_put_in_are_errors() -> None:
    """Two words of three missing, and three put in where one was said: 5/4."""
    assert rates(("a b c", "b", "de"), ("x", "x y z y", "de"))["wer"] == pytest.approx(5 / 4)


def test_english_is_normalised_as_english() -> None:
    """Contractions and numbers in English (also of an English-only base) are spelt alike; in German they are not."""
    said, heard = "It's twenty one", "it is 21"
    assert rates((said, heard, "en"))["wer"] == rates((said, heard, None))["wer"] == 0.0
    assert rates((said, heard, "de"))["wer"] > 0.5


def test_spelling_needs_the_tokenizers_table() -> None:
    """With normalizer.json "harbour" is "harbor"; without it they differ."""
    clip = ("the harbour", "the harbor", "en")
    assert rates(clip, tokenizer=AMERICAN)["wer"] == 0.0
    assert rates(clip)["wer"] == rates(clip, tokenizer=SimpleNamespace())["wer"] == 1 / 2


def test_letters_are_words_where_there_are_no_spaces() -> None:
    """One of six letters is wrong: 1/6 of the words too, though the raw text is one wrong word."""
    found = rates(("今日は天気。", "今日は電気", "ja"))
    assert found == {"wer": 1 / 5, "wer_raw": 1.0, "cer": 1 / 5, "cer_raw": 2 / 6}


def test_transcripts_without_a_word_are_left_out() -> None:
    """They count in no normalised rate; when nothing else is left, the held-out share is refused."""
    found = rates(("(laughs)", "ha ha ha", "en"), ("oil it", "oil", "en"))
    assert found["wer"] == 1 / 2
    assert found["wer_raw"] == 4 / 3
    with pytest.raises(DataInvalid, match=r"none of the 2 held-out transcripts holds a word"):
        rates(("...", "one", "de"), ("[music]", "two", "en"))


def piece(clip: str, place: int, text: str, language: str | None = "en", task: str = "transcribe") -> Item:
    return Item(f"{clip}#{place}", clip, text, (), language, task, SimpleNamespace())  # type: ignore[arg-type]


def test_pieces_count_as_one_clip() -> None:
    """A word heard in the next piece than the one it is written in is no error."""
    items = [piece("a", 1, "one two"), piece("a", 2, "three"), piece("b", 1, "four"), piece("c", 1, "")]
    texts = ["one", "two three", "four", ""]
    assert join_pieces(items, texts)[:2] == [
        Heard("a", "one two three", "one two three", "en"),
        Heard("b", "four", "four", "en"),
    ]
    assert measure(items[:3], texts[:3], PLAIN)["wer"] == 0.0


def test_pieces_without_spaces_join_without() -> None:
    """Japanese pieces are joined letter to letter, and an empty piece joins nothing."""
    items = [piece("a", 1, "今日", "ja"), piece("a", 2, "", "ja"), piece("a", 3, "は雨", "ja")]
    assert join_pieces(items, ["今", "", "日は雨"]) == [Heard("a", "今日は雨", "今日は雨", "ja")]


def test_a_translation_is_english_whatever_was_spoken() -> None:
    """Translated Japanese is joined with spaces, counted in words and normalised as English."""
    items = [piece("a", 1, "It's twenty", "ja", "translate"), piece("a", 2, "one.", "ja", "translate")]
    assert join_pieces(items, ["It is", "21"]) == [Heard("a", "It's twenty one.", "It is 21", "en")]
    assert measure(items, ["it is", "21"], PLAIN)["wer"] == 0.0
    assert measure(items, ["it is", "22"], PLAIN)["wer"] == 1 / 3


@pytest.mark.parametrize(
    ("reference", "text", "language", "counted"),
    [
        ("Oil the lathe.", "oil a lathe now", "en", (2, 3)),
        ("one two", "", "de", (2, 2)),
        ("(laughs)", "ha ha", "en", (0, 0)),
        ("天気", "電気", "ja", (1, 2)),
    ],
)
def test_errors_of_one_clip(reference: str, text: str, language: str, counted: tuple[int, int]) -> None:
    """Errors and words are those that the rate counts; a clip that it leaves out has neither."""
    assert word_errors(Normaliser(PLAIN), Heard("x", reference, text, language)) == counted
