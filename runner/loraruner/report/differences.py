"""A transcript beside what is said: which words are wrong, and the transcript with them marked."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loraruner.markup import Html, joined, tag

# Scripts that put no space between words (Thai, Lao, Burmese, kana, Han): each letter counts as a word.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
PIECE = re.compile(rf"[{SPACELESS}]|[\s/\u2010-\u2015-]+|[^\s/\u2010-\u2015{SPACELESS}-]+")


@dataclass(frozen=True)
class Compared:
    """``marked``: the transcript; a wrong word in ``<mark>``, one left out in ``<del>``. ``num_wrong`` counts both."""

    marked: Html
    num_wrong: int


def words(text: str) -> list[str]:
    """The words of ``text`` as they are compared, without case and punctuation."""
    return [key for piece in PIECE.findall(text) if (key := _key(piece))]


def compare(reference: str, transcript: str) -> Compared:
    """The fewest words that have to change to make ``transcript`` what is said (Levenshtein distance)."""
    import jiwer

    said, written = words(reference), words(transcript)
    found = jiwer.process_words(" ".join(said), " ".join(written))
    shown = [piece for piece in PIECE.findall(reference) if _key(piece)]
    wrong: set[int] = set()
    missing: dict[int, list[str]] = {}  # by the place in the transcript that they belong before
    for part in found.alignments[0]:
        if part.type in ("substitute", "insert"):
            wrong.update(range(part.hyp_start_idx, part.hyp_end_idx))
        elif part.type == "delete":
            missing.setdefault(part.hyp_start_idx, []).extend(shown[part.ref_start_idx : part.ref_end_idx])
    return Compared(
        joined(_marked(PIECE.findall(transcript), wrong, missing)),
        found.substitutions + found.insertions + found.deletions,
    )


def _marked(pieces: Sequence[str], wrong: set[int], missing: dict[int, list[str]]) -> Iterator[str]:
    place = 0
    for piece in pieces:
        if not _key(piece):
            yield piece
            continue
        for word in missing.get(place, ()):
            yield tag("del", word)
            yield " "
        yield tag("mark", piece) if place in wrong else piece
        place += 1
    for word in missing.get(place, ()):
        yield " "
        yield tag("del", word)


def _key(piece: str) -> str:
    """Letters, digits and the marks on them, in one case; nothing for punctuation and space."""
    folded = unicodedata.normalize("NFKC", piece).casefold()
    return "".join(character for character in folded if unicodedata.category(character)[0] in "LMN")
