"""Languages of texts: told where there is enough plain prose, left open everywhere else."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.data.quality.languages import NAMES, language_of, name_of, prose_of
from tests.support.written_rows import SENTENCES

NO_LANGUAGE = [
    "",
    "Yes, of course.",
    "42 17 1999 3.14 2024-01-15 0x7f",
    "Hans M\u00fcller, Jean Dupont, Maria Rossi, Ivan Petrov, John Smith, Wei Zhang, Ana Garc\u00eda, Peter Schmidt",
    "https://example.org/a/very/long/path/to/something?with=many&more=parameters and/or more@of.them",
    "def total(values):\n    return sum(value for value in values if value is not None)\n\nprint(total([1, 2, 3]))",
    "SELECT name, age FROM users WHERE age > 3 AND name IS NOT NULL ORDER BY name, age LIMIT 10;",
    '{"name": "the value of the thing", "list": ["with many words", "and some more of them"]}',
    "```\nthese are words of a comment in a block of code that nobody should take for the text\n```",
    "\U0001f389 \U0001f38a !!! ??? ... ---",
    # half Chinese, half English
    "\u8bf7\u7528 the transformers library to load \u6765\u52a0\u8f7d\u6a21\u578b and then call generate \u751f\u6210",
]


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_two_sentences_tell_a_language(language: str) -> None:
    """Two sentences of everyday prose are enough for each of these languages, in capitals as well."""
    sentences = SENTENCES[language]
    for first, second in pairwise(sentences):
        assert language_of(f"{first} {second}") == language
    assert language_of(f"{sentences[0]} {sentences[1]}".upper()) == language


@pytest.mark.parametrize("text", NO_LANGUAGE)
def test_no_language_is_made_up(text: str) -> None:
    """Short answers, numbers, names, code, addresses and halves of two languages are left open."""
    assert language_of(text) == ""


@pytest.mark.parametrize("language", ["de", "fr", "ru", "zh"])
def test_code_and_foreign_names_do_not_count(language: str) -> None:
    """English code, names and single words in a text leave it the language that it is written in."""
    first, second, *_ = SENTENCES[language]
    code = "```python\nfor line in the_file:\n    print('this is what it says on the line', line)\n```"
    assert (
        language_of(f"{first} PyTorch GitHub `from here import there`.\n{code}\n{second}\nSee {'https://a.b/c'}")
        == language
    )


def test_a_short_korean_answer_is_told() -> None:
    """Its characters are syllables: twelve say enough, as of Chinese; two words do not."""
    assert (
        language_of("\uc18c\ud3ec\ub294 \ub0b4\uc77c \uc544\uce68 \ucc3d\uace0\ub97c \ub5a0\ub0a9\ub2c8\ub2e4") == "ko"
    )
    assert language_of("\uc548\ub155\ud558\uc138\uc694 \uac10\uc0ac") == ""


def test_forms_that_cannot_be_kept_apart_count_as_one() -> None:
    """Bosnian, Croatian and Serbian, or Norwegian and Danish, are no mixture."""
    croatian = "Jutros smo rano ustali i otišli na tržnicu kupiti svježi kruh i voće za cijeli tjedan."
    bosnian = "Jutros smo rano ustali i otišli na pijacu da kupimo svježi hljeb i voće za cijelu sedmicu."
    assert language_of(croatian) == language_of(bosnian) == "hr"
    norwegian = "Vi sto tidlig opp og gikk til torget for å kjøpe ferskt brød og frukt til hele uken."
    danish = "Vi stod tidligt op og gik på torvet for at købe frisk brød og frugt til hele ugen."
    assert language_of(norwegian) == language_of(danish) == "no"


def test_names_are_people_s() -> None:
    """Findings name languages as people do; a rare one by its code."""
    assert (name_of("de"), name_of("hr"), name_of("xx")) == (
        *("German", "Croatian, Bosnian or Serbian"),
        "a language with the code xx",
    )
    assert set(SENTENCES) <= set(NAMES)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_has_prose_or_none(text: str) -> None:
    """No text makes it fail; what is classified is bounded, holds no digit, and comes out the same each time."""
    prose = prose_of(text)
    assert prose == prose_of(text)
    assert len(prose) <= 300


def test_long_texts_are_cut() -> None:
    """Of a long text only the beginning is read."""
    sentences = " ".join(SENTENCES["en"])
    assert language_of(sentences * 5000) == "en"
    assert len(prose_of(sentences * 5000)) <= 300
    assert prose_of("1 " * 20_000 + sentences) == ""
