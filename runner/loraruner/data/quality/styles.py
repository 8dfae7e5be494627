"""Words of style in a caption: whole words and phrases, the longest first, and not where they are denied."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loraruner.data.quality.words import NO_SPACES, NO_SPACES_ALPHABETIC, normalised

DENIALS = frozenset({"no", "non", "not", "never", "without", "neither", "anti", "semi", "nothing", normalised("isn't")})
DENIAL_PAIRS = frozenset({("instead", "of"), ("rather", "than"), ("opposed", "to"), ("less", "than")})
BETWEEN = frozenset({"a", "an", "the", "any", "at", "all", "very", "really", "quite", "too", "in", "style", "like"})
ALTERNATIVES = frozenset({"or", "nor"})
MAX_BETWEEN = 3
# What is shown, and no style: "a comic book on a table". But "comic book style" is one.
THINGS = frozenset(
    {"book", "books", "shop", "shops", "store", "stores", "strip", "strips", "magazine", "magazines"}
    | {"poster", "posters", "figurine", "figurines", "toy", "toys", "sticker"}
    | {"stickers", "con", "convention", "cosplay", "cosplayer", "shelf", "shelves", "mural", "murals", "graffiti"}
)
STYLE_AGAIN = frozenset({"style", "styled", "look", "aesthetic"})


@dataclass(frozen=True)
class Style:
    """A phrase as the job writes it, and the number of its list."""

    shown: str
    group: int


class Styles:
    """All phrases of the lists, by their words; a phrase of several lists belongs to the first."""

    def __init__(self, lists: Sequence[Sequence[str]]) -> None:
        self._phrases: dict[tuple[str, ...], Style] = {}
        self._unspaced: dict[str, Style] = {}
        for group, phrases in enumerate(lists):
            for phrase in phrases:
                normal = normalised(phrase)
                if _is_unspaced(normal):
                    self._unspaced.setdefault(normal, Style(phrase, group))
                elif normal:
                    self._phrases.setdefault(tuple(normal.split()), Style(phrase, group))
        self._longest = _longest_by_first(self._phrases)
        self._longest_unspaced = _longest_by_first(self._unspaced)

    def clash(self, normal: str) -> tuple[str, str] | None:
        """The first phrase of a normalised caption and the first of another list, as written there; None: no clash."""
        found = [*self._among_words(normal.split()), *self._among_letters(normal)]
        other = next((style for style in found if style.group != found[0].group), None)
        return (found[0].shown, other.shown) if other else None

    def _among_words(self, words: list[str]) -> Iterator[Style]:
        place, denied = 0, -1
        while place < len(words):
            length = self._length_at(words, place)
            if not length:
                place += 1
                continue
            if _is_denied(words, place) or (place - 1 == denied and words[place - 1] in ALTERNATIVES):
                denied = place + length
            elif not _is_thing(words[place + length : place + length + 2]):
                yield self._named(words[place : place + length])
            place += length

    def _length_at(self, words: list[str], place: int) -> int:
        """Words of the longest phrase that begins at ``place``; 0 where none does."""
        longest = self._longest.get(words[place], self._longest.get(singular(words[place]), 0))
        candidates = range(min(longest, len(words) - place), 0, -1)
        return next((length for length in candidates if self._key(words[place : place + length])), 0)

    def _key(self, words: list[str]) -> tuple[str, ...] | None:
        keys = (tuple(words), (*words[:-1], singular(words[-1])))
        return next((key for key in keys if key in self._phrases), None)

    def _named(self, words: list[str]) -> Style:
        key = self._key(words)
        assert key is not None
        return self._phrases[key]

    def _among_letters(self, normal: str) -> Iterator[Style]:
        place = 0
        while self._unspaced and place < len(normal):
            lengths = range(self._longest_unspaced.get(normal[place], 0), 0, -1)
            length = next((length for length in lengths if normal[place : place + length] in self._unspaced), 0)
            if length:
                yield self._unspaced[normal[place : place + length]]
            place += length or 1


def _longest_by_first(phrases: Mapping[tuple[str, ...], Style] | Mapping[str, Style]) -> dict[str, int]:
    """Length of the longest phrase for every first word, or first letter."""
    longest: dict[str, int] = {}
    for phrase in phrases:
        longest[phrase[0]] = max(longest.get(phrase[0], 0), len(phrase))
    return longest


def _is_unspaced(normal: str) -> bool:
    """Whether a phrase begins or ends in a script without spaces, so that no space parts it from its neighbours."""
    edges = normal[:1] + normal[-1:]
    return bool(NO_SPACES.search(edges) or NO_SPACES_ALPHABETIC.search(edges))


def singular(word: str) -> str:
    """A word without the s of a plural."""
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _is_thing(after: list[str]) -> bool:
    """Whether the words after a style make it a thing in the picture."""
    return bool(after) and after[0] in THINGS and not STYLE_AGAIN.intersection(after[1:])


def _is_denied(words: list[str], place: int) -> bool:
    """Whether "not", "without", "rather than" or the like stands before, with little in between."""
    for before in range(place - 1, max(place - 2 - MAX_BETWEEN, -1), -1):
        if words[before] in DENIALS or tuple(words[max(before - 1, 0) : before + 1]) in DENIAL_PAIRS:
            return True
        if words[before] not in BETWEEN:
            return False
    return False
