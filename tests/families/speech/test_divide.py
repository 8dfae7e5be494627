"""Transcripts of long recordings divided among their pieces."""

import random
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.data.lines import BadValue
from loraruner.families.speech.divide import divide_transcript

WORDS = ("the", "a", "and", "of", "clock", "spring", "Check", "wheel,", "pivot.", "it's", "über", "42", "lathe", "oil?")
PIECES = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("transcript", "heard", "parts"),
    [
        (
            "Hello there, my friend.  How are you \u2013 today?",
            ["hello there my friend", "How are you today"],
            ("Hello there, my friend.", "How are you \u2013 today?"),
        ),
        (
            "Take the lathe oil now. Then wait for the noon bell",
            ["take the later oil", "", "then wait for the noon"],
            ("Take the lathe oil now.", "", "Then wait for the noon bell"),
        ),
        (
            "one two three lost words here four five six seven",
            ["one two three", "four five six seven"],
            ("one two three lost", "words here four five six seven"),
        ),
        ("eins zwei drei", ["", "eins zwei", "drei", ""], ("", "eins zwei", "drei", "")),
        (
            "今日は天気がいいです。明日は雨が降ります。",
            ["今日は天気がいい です", "明日は 雨が ふります"],
            ("今日は天気がいいです。", "明日は雨が降ります。"),
        ),
        ("สวัสดีครับ ผมชื่อสมชาย", ["สวัสดีครับ", "ผมชื่อสมชาย"], ("สวัสดีครับ", "ผมชื่อสมชาย")),
        ("  anything at all ", ["something else"], ("anything at all",)),
    ],
    ids=["spoken", "silent-piece", "lost-words", "silent-ends", "japanese", "thai", "one-piece"],
)
def test_by_hand(transcript: str, heard: list[str], parts: tuple[str, ...]) -> None:
    """Case and punctuation don't matter; lost words go to the pause, else half and half; no spaces are needed."""
    assert divide_transcript(transcript, heard) == parts


@given(PIECES)
def test_perfect_hearing_gives_the_exact_borders(pieces: list[list[str]]) -> None:
    """When every piece is heard word by word, its part of the transcript is what was said in it."""
    said = [" ".join(words) for words in pieces]
    assert list(divide_transcript(" ".join(said), [text.lower() for text in said])) == said


@given(PIECES, st.lists(st.lists(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=5), st.booleans())
def test_no_word_is_lost_or_moved(pieces: list[list[str]], noise: list[list[str]], spaced: bool) -> None:
    """Whatever was heard, the parts joined are the transcript, or it is refused in one sentence."""
    transcript = ("  " if spaced else " ").join(" ".join(words) for words in pieces)
    heard = [" ".join(words) for words in noise]
    try:
        parts = divide_transcript(transcript, heard)
    except BadValue as fault:
        assert str(fault).startswith("its transcript could not be divided: ")
        return
    assert len(parts) == len(heard)
    assert " ".join(parts).split() == transcript.split()


@pytest.mark.parametrize("seed", range(5))
def test_wrong_words_move_borders_little(seed: int) -> None:
    """With 30 % of the words left out, put in or exchanged, no border is off by more than three words, most by none."""
    draw = random.Random(seed)
    offs = []
    for _ in range(40):
        pieces = [[f"w{draw.randrange(150)}" for _ in range(draw.randint(10, 60))] for _ in range(4)]
        parts = divide_transcript(
            " ".join(word for piece in pieces for word in piece), [misheard(piece, draw) for piece in pieces]
        )
        here = accumulate(len(part.split()) for part in parts)
        offs += [abs(place - wanted) for place, wanted in zip(here, accumulate(map(len, pieces)), strict=True)]
    assert max(offs) <= 3
    assert sum(off <= 1 for off in offs) >= 0.95 * len(offs)


def misheard(words: list[str], draw: random.Random) -> str:
    """Each tenth word is left out, each tenth exchanged, and one is put in before each tenth."""
    heard = []
    for word in words:
        chance = draw.random()
        heard += [f"x{draw.randrange(150)}"] if 0.1 < chance < 0.3 else []
        heard += [] if chance < 0.2 else [word]
    return " ".join(heard)


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (["entirely other", "words than those"], "0 of 4 words recognised; cut the clip by hand"),
        (["one", "nothing else here"], "1 of 4 words recognised"),
        (["one two three four", "thanks for watching"], "no word is left for piece 2 of 2, in which 'thanks for watch"),
        (["", ""], "0 of 4 words recognised"),
    ],
    ids=["other-words", "too-few", "heard-more-than-said", "silence"],
)
def test_refused(heard: list[str], reason: str) -> None:
    """Less than half of the words recognised, or a piece that would get none though something was heard in it."""
    with pytest.raises(BadValue, match=reason):
        divide_transcript("one two three four", heard)
