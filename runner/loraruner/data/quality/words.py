"""Texts compared and counted: when two say the same, and how many words one has."""

import re
import unicodedata

NO_SPACES = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
NO_SPACES_ALPHABETIC = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
# A letter or digit of a script that parts words by spaces: one of Chinese or the like may stand at a word's side.
IN_WORD = r"[^\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af]"
LETTERS_A_WORD, ALPHABETIC_LETTERS_A_WORD = 2, 4
APOSTROPHES = "'\u2018\u2019\u02bc"
MAX_REMEMBERED = 1 << 16  # characters
END_MARKS = ".,;:!?\u2026\u3002\uff0c\uff01\uff1f\uff1b\uff1a"
PLAIN_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
ASCII_SIGNS = "|~^`<>="  # Unicode calls them symbols; between tags they are punctuation


class _Tidied(dict[int, str]):
    """What becomes of a character: letters, marks, digits and symbols stay, apostrophes and what is invisible go.

    Everything else, such as punctuation and spaces, becomes a space. Filled as characters are met.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in APOSTROPHES or category == "Cf":
            kept = ""
        else:
            kept = character if category[0] in "LMNS" and character not in ASCII_SIGNS else " "
        if len(self) < MAX_REMEMBERED:
            self[code] = kept
        return kept


_TIDIED = _Tidied()


def normalised(text: str) -> str:
    """``text`` without case, punctuation, doubled spaces and forms of a letter; its signs where that leaves nothing."""
    small = text.casefold()
    tidy = " ".join(unicodedata.normalize("NFKC", small).translate(_TIDIED).split())
    return tidy or " ".join(small.split())


def same_row(text: str) -> str:
    """``text`` without case, doubled spaces, quotes' curls and marks at the ends of words; signs that count stay.

    Milder than ``normalised``: in a row "a - b" is not "a + b", and 3.14 not 314.
    """
    plain = unicodedata.normalize("NFC", text.casefold()).translate(PLAIN_QUOTES)
    return " ".join(filter(None, (word.rstrip(END_MARKS) for word in plain.split())))


def num_words(text: str) -> int:
    """Words of a text: what spaces and punctuation part, "photo-realistic" and "it's" being one each.

    Where a script has no spaces, every two characters of Chinese and Japanese count as one word, every four of Thai,
    Lao, Burmese and Khmer.
    """
    bare = unicodedata.normalize("NFKC", text.replace("-", "")).translate(_TIDIED)
    if bare.isascii():
        return len(bare.split())
    bare, num_letters = NO_SPACES.subn(" ", bare)
    bare, num_alphabetic = NO_SPACES_ALPHABETIC.subn(" ", bare)
    return len(bare.split()) - (-num_letters // LETTERS_A_WORD) - (-num_alphabetic // ALPHABETIC_LETTERS_A_WORD)


def whole_words(phrase: str) -> re.Pattern[str]:
    """Finds a phrase, its spaces being single ones, in any case where it is no part of a longer word.

    An edge of the phrase that is a sign, or of a script without spaces, may touch a word.
    """
    phrase = " ".join(phrase.split())
    before = f"(?<!{IN_WORD})" if re.match(IN_WORD, phrase) else ""
    after = f"(?!{IN_WORD})" if re.search(f"{IN_WORD}$", phrase) else ""
    return re.compile(f"{before}{re.escape(phrase)}{after}", re.IGNORECASE)
