"""Divide the transcript of a long recording among its pieces, by what a model hears in each of them. No torch."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from rapidfuzz.distance import Levenshtein

from loraruner.data.lines import BadValue

# Thai, Lao, Burmese, kana and Han are written without spaces between words: there a letter counts as one.
LETTERS = (
    r"\u0e00-\u0eff\u1000-\u109f\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9f\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[{LETTERS}]|[^\s{LETTERS}]+")
PAUSE = re.compile(r"[.!?;:,\u2026\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]\W*$")
LEAST_RECOGNISED = 0.5
SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class _Word:
    """A word of a text: its span, punctuation around it included, and what is compared of it."""

    begin: int
    end: int
    letters: str


def divide_transcript(transcript: str, heard: Sequence[str]) -> tuple[str, ...]:
    """The part of ``transcript`` that belongs to each piece; ``heard[i]`` is what a model heard in piece i.

    The words heard are aligned with those of the transcript by the fewest edits (case and punctuation aside); a border
    lies where the alignment passes from one piece to the next. Where words that nobody heard leave a choice, it comes
    after a punctuation mark, else in their middle. The parts hold every word of the transcript once, in order; a piece
    in which nothing was heard gets "". Raises BadValue when less than half of the words were recognised, or when a
    piece in which something was heard would get none.
    """
    transcript = transcript.strip()
    if len(heard) == 1:
        return (transcript,)
    words, pieces = _words(transcript), [[word.letters for word in _words(text)] for text in heard]
    borders = _borders(transcript, words, pieces)
    parts = []
    for place, (begin, end) in enumerate(pairwise(borders)):
        if begin == end and pieces[place]:
            raise BadValue(
                f"its transcript could not be divided: no word is left for piece {place + 1} of {len(heard)}, in which "
                f"{heard[place].strip()[:SHOWN_CHARACTERS]!r} was heard; cut the clip by hand"
            )
        parts.append(transcript[words[begin].begin : words[end - 1].end] if begin < end else "")
    return tuple(parts)


def _words(text: str) -> list[_Word]:
    """Words in order; what holds neither letter nor digit (a dash, a tone mark) belongs to the word before it."""
    words: list[_Word] = []
    for found in WORD.finditer(text):
        token = unicodedata.normalize("NFKC", found[0]).casefold()
        letters = "".join(letter for letter in token if unicodedata.category(letter)[0] in "LMN")
        if any(unicodedata.category(letter)[0] in "LN" for letter in letters):
            words.append(_Word(found.start() if words else 0, found.end(), letters))
        elif words:
            words[-1] = replace(words[-1], end=found.end())
    return words


def _borders(transcript: str, words: Sequence[_Word], pieces: Sequence[Sequence[str]]) -> list[int]:
    """Places in ``words`` where each piece begins, and the end; BadValue when too few words were recognised."""
    heard = [letters for piece in pieces for letters in piece]
    edits = Levenshtein.opcodes([word.letters for word in words], heard)
    recognised = sum(edit.src_end - edit.src_start for edit in edits if edit.tag == "equal")
    if not words or recognised < LEAST_RECOGNISED * len(words):
        raise BadValue(
            f"its transcript could not be divided: {recognised} of {len(words)} words recognised; cut the clip by hand"
        )
    first: dict[int, int] = {}  # places that the alignment passes after so many heard words
    last: dict[int, int] = {}
    for edit in edits:
        for step in range(max(edit.src_end - edit.src_start, edit.dest_end - edit.dest_start) + 1):
            place, behind = min(edit.src_start + step, edit.src_end), min(edit.dest_start + step, edit.dest_end)
            first.setdefault(behind, place)
            last[behind] = place
    # where nothing was heard before a border, or nothing after it, all words lie on the other side
    first[len(heard)], last[0] = len(words), 0
    ends = accumulate(len(piece) for piece in pieces)
    return [0, *(_best(transcript, words, first[end], last[end]) for end in ends)]


def _best(transcript: str, words: Sequence[_Word], first: int, last: int) -> int:
    """A border among ``first``..``last``; the words between them were heard in neither piece."""
    middle = (first + last) // 2
    behind = ((place, words[place - 1]) for place in range(max(first, 1), last + 1))
    pauses = [place for place, word in behind if PAUSE.search(transcript[word.begin : word.end])]
    return min(pauses, key=lambda place: abs(place - middle), default=middle)
