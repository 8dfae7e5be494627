"""Which language a text is written in, told only where it is long and plain enough to be sure.

The classifier is py3langid's naive Bayes over byte n-grams (Lui and Baldwin, "langid.py", ACL 2012), whose model of 140
languages comes with the package. It answers for any bytes; what it is asked about and what is believed is decided here.
"""

import re
from functools import cache
from typing import Any

MAX_CHARS = 20_000  # of a text that are looked at
MAX_PROSE_CHARS = 300  # of its prose that are classified
MIN_WORDS = 6
MIN_LETTERS = 30
MIN_LETTERS_NO_SPACES = 12
MIN_CONFIDENCE = 0.9
MIN_SHARE = 0.7  # of the letters, in Latin or in other scripts, below which a text is a mixture
IDEOGRAPH_LETTERS = 3  # that one Chinese, Japanese or Korean character weighs against Latin letters
MAX_SIGNS = 0.06  # of the characters of a line of prose
NO_LANGUAGE = "zxx"

# Languages and forms of them that the classifier cannot keep apart in a few sentences count as one.
ALIKE = {
    "zh": "wuu yue",
    "no": "da nn",
    "hr": "bs sr",
    "id": "ms",
    "en": "pcm",
    "es": "an ext gl",
    "fr": "gcf gcr wa",
    "it": "lij vec",
    "de": "lb",
    "ar": "ary arz",
    "lv": "ltg",
    "uz": "uzs",
    "ku": "sdh",
    "el": "grc",
    "he": "hbo",
    "st": "nso",
    "zu": "xh",
}
GROUP = {member: group for group, members in ALIKE.items() for member in members.split()}

NAMES = dict(
    line.split(" ", 1)
    for line in """
ar Arabic
bg Bulgarian
bn Bengali
ca Catalan
cs Czech
de German
el Greek
en English
es Spanish
et Estonian
fa Persian
fi Finnish
fr French
he Hebrew
hi Hindi
hr Croatian, Bosnian or Serbian
hu Hungarian
id Indonesian or Malay
it Italian
ja Japanese
ko Korean
la Latin
lt Lithuanian
lv Latvian
nl Dutch
no Norwegian or Danish
pl Polish
pt Portuguese
ro Romanian
ru Russian
sk Slovak
sl Slovenian
sv Swedish
ta Tamil
th Thai
tr Turkish
uk Ukrainian
ur Urdu
vi Vietnamese
zh Chinese
""".strip().splitlines()
)

FENCE = "```"
INLINE_CODE = re.compile(r"`[^`\n]{1,200}`")
TAG = re.compile(r"<[^<>\n]{1,200}>")
SIGNS = re.compile(r"[{}()\[\]<>=;_+*/\\|&^%$#@~]|\"[:,\]}]")
LATIN = re.compile(r"[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff]")
LATIN_WORD = re.compile(r"\b[A-Za-z\u00c0-\u02af\u1e00-\u1eff][\w'\u2019-]*")
LETTER = re.compile(r"[^\W\d_]")
IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
# Scripts without spaces, and Korean: a few characters say as much as several words.
NO_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
NO_WORD = re.compile(r"[\d_@/\\:=<>{}\[\]().]")
EDGES = "\"'.,:;!?\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u00a1\u00bf\u2026\u2013\u2014()*-\u0964\u060c\u061f"


def language_of(text: str) -> str:
    """The language's code (ISO 639), or "" where the text is too short, a mixture, no prose, or not clearly one."""
    prose = prose_of(text)
    if not prose:
        return ""
    language, confidence = _most_likely(prose)
    return language if confidence >= MIN_CONFIDENCE and language != NO_LANGUAGE else ""


def name_of(language: str) -> str:
    """What people call a language; by its code where nobody gave it a name here."""
    return NAMES.get(language, f"a language with the code {language}")


def prose_of(text: str) -> str:
    """The words of ``text`` that tell its language, or "" where they are too few.

    Code, markup, addresses, numbers and words with a capital letter (names) are left out, as are the words of the
    script that has the smaller share. Nothing is left where neither Latin nor other letters have MIN_SHARE.
    """
    plain = _without_code(text[:MAX_CHARS])
    num_ideographs = len(IDEOGRAPH.findall(plain))
    num_latin = len(LATIN.findall(plain))
    num_other = len(LETTER.findall(plain)) - num_latin + (IDEOGRAPH_LETTERS - 1) * num_ideographs
    total = num_latin + num_other
    if max(num_latin, num_other) < MIN_SHARE * total or not total:
        return ""
    if num_other > num_latin:
        plain = LATIN_WORD.sub(" ", plain)
    return _enough(_words(plain, latin=num_latin > num_other))


def _without_code(text: str) -> str:
    """The lines of prose; nothing where most of what stands outside of fences is code, with comments in between."""
    lines = [TAG.sub(" ", INLINE_CODE.sub(" ", line)) for line in "\n".join(text.split(FENCE)[::2]).splitlines()]
    prose = [line for line in lines if len(SIGNS.findall(line)) <= MAX_SIGNS * len(line)]
    plain = "\n".join(prose)
    return plain if 2 * len(plain) >= sum(map(len, lines)) else ""


def _words(text: str, *, latin: bool) -> list[str]:
    """Words without capitals, digits and inner signs; a text without small letters is read as if it had them."""
    if text.isupper():
        text = text.lower()
    words = (word.strip(EDGES) for word in text.split())
    return [word for word in words if _tells(word) and (not latin or word[0] < "\u0370")]


def _tells(word: str) -> bool:
    """Whether a word is plain: small letters or letters that have no case, or a phrase of a script without spaces."""
    if not word.isascii() and NO_SPACES.search(word):
        return True
    return word != "" and word == word.lower() and not NO_WORD.search(word)


def _enough(words: list[str]) -> str:
    prose = " ".join(words)
    if len(NO_SPACES.findall(prose)) >= MIN_LETTERS_NO_SPACES:
        return prose[:MAX_PROSE_CHARS]
    num_letters = sum(map(len, words))
    return prose[:MAX_PROSE_CHARS] if len(words) >= MIN_WORDS and num_letters >= MIN_LETTERS else ""


def _most_likely(prose: str) -> tuple[str, float]:
    """The likeliest group of languages and its probability; of equally likely ones the first by code."""
    language, confidence = _classifier().classify(prose)
    if confidence >= MIN_CONFIDENCE:
        return GROUP.get(language, language), confidence
    shares: dict[str, float] = {}
    for language, share in _classifier().rank(prose):
        group = GROUP.get(language, language)
        shares[group] = shares.get(group, 0.0) + share
    return min(shares.items(), key=lambda item: (-item[1], item[0]))


@cache
def _classifier() -> Any:
    """The model (100 MB in memory, half a second to load), loaded once when the first text needs it."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
