"""From what a model says to the caption that is trained: tidied, denied words out, template and ends around it."""

import re
import string
import unicodedata
from functools import cache

from loraruner.data.kinds import PICTURES
from loraruner.spec.model import Caption

GAP = "\0"  # stands where a denied phrase was; no text holds it, as control characters are gone by then
# Scripts that put no spaces between words: there a phrase may stand inside a run of letters.
UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
LETTER = rf"[^\W{UNSPACED}]"
ARTICLES = "a|an|the"
LINKS = f"{ARTICLES}|and|or|with|of|in|on|at|by|for|from|to|saying|showing"
PUNCTUATION = ",.;:!?"
# English words that say nothing without the phrase that was here, and what takes their place.
GAPS = tuple(
    (re.compile(pattern, re.IGNORECASE), left)
    for pattern, left in (
        (rf"{GAP}(?:[\s,;]*{GAP})+", GAP),
        (rf"(?<!\w)(?:{LINKS})\s+{GAP}(?=\s*(?:[{PUNCTUATION})\]]|$))", GAP),
        (rf"(?<!\w)(?:{ARTICLES})\s+{GAP}(?=\s+(?:{LINKS})(?!\w))", GAP),
        (rf"(?<!\w)(?:and|or)\s+{GAP}(?=\s+(?:and|or)(?!\w))", GAP),
        (rf"^{GAP}\s+(?:of|with|and|or)\s+", ""),
    )
)


def caption_of(said: str, settings: Caption) -> str:
    """The caption made of what the model said; "" when nothing is left of that.

    Denied words are taken out of what the model said alone: template, prefix and suffix are the user's own.
    """
    words = without_denied(tidy(said), settings.deny)
    if not any(character.isalnum() for character in words):
        return ""
    head, tail = _around(settings.template)
    if (tail + settings.suffix).strip():
        words = words.rstrip(" .,;:")
    text = tidy(head + words + tail)
    return tidy(_ended(_begun(text, settings.prefix), settings.suffix))


def fault_of(caption: str) -> str:
    """Why ``caption`` cannot be used, or ""."""
    if len(caption) > PICTURES.max_chars:
        return f"its caption would have {len(caption):,} characters, more than {PICTURES.max_chars:,}"
    return "" if caption else "nothing is left of what the captioner said about it"


def tidy(text: str) -> str:
    """One line: control characters and broken ones gone, white space single, none before a comma or a full stop."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text.replace("\ufffd", ""))
    return re.sub(r"\s+([,.;](?:\s|$))", r"\1", " ".join(kept.split()))


def without_denied(text: str, deny: tuple[str, ...]) -> str:
    """``text`` without the denied words and phrases, whole words alone, and without what would dangle then."""
    pattern = _pattern(deny)
    if pattern is None or not pattern.search(text):
        return text
    text, before = pattern.sub(GAP, text), ""
    while text != before:
        before = text
        for gap, left in GAPS:
            text = gap.sub(left, text)
    text = re.sub(r"\(\s*\)|\[\s*\]|\"\s*\"|'\s*'", "", text.replace(GAP, " "))
    text = re.sub(r"([,;:])(?:\s*[,;:])+", r"\1", " ".join(text.split()))
    return tidy(re.sub(r"[\s,;:]+([.!?])", r"\1", text).strip(" ,;:").lstrip(PUNCTUATION + " "))


def allowed_tags(settings: Caption) -> list[str]:
    """The vocabulary without the tags that hold a denied word or phrase."""
    pattern = _pattern(settings.deny)
    return [tag for tag in settings.vocabulary if pattern is None or not pattern.search(tidy(tag))]


@cache
def _pattern(deny: tuple[str, ...]) -> re.Pattern[str] | None:
    """Any of the phrases as whole words, in any case; the longest first, so that none is cut short by another."""
    phrases = sorted({tidy(phrase) for phrase in deny} - {""}, key=lambda phrase: (-len(phrase), phrase))
    if not phrases:
        return None
    return re.compile("|".join(map(_bounded, phrases)), re.IGNORECASE)


def _bounded(phrase: str) -> str:
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    before = rf"(?<!{LETTER})" if re.match(LETTER, phrase) else ""
    after = rf"(?!{LETTER})" if re.match(LETTER, phrase[-1]) else ""
    return before + words + after


def _around(template: str) -> tuple[str, str]:
    """The text before and after ``{caption}``, which is the one field of a checked template."""
    before, parts = "", list(string.Formatter().parse(template))
    for place, (literal, field, _, _) in enumerate(parts):
        before += literal
        if field is not None:
            return before, "".join(part[0] for part in parts[place + 1 :])
    raise ValueError(f"{template!r} has no place for the caption")


def _begun(text: str, prefix: str) -> str:
    """``prefix``, a comma unless it ends in punctuation or a space of its own, and the text."""
    if not prefix.strip():
        return text
    return f"{prefix} {text}" if prefix[-1].isspace() or prefix[-1] in PUNCTUATION else f"{prefix}, {text}"


def _ended(text: str, suffix: str) -> str:
    """The text, a comma unless ``suffix`` begins with punctuation or a space of its own, and ``suffix``."""
    if not suffix.strip():
        return text
    if suffix[0].isspace() or suffix[0] in PUNCTUATION:
        return text + suffix
    return f"{text.rstrip(' ,;:.')}, {suffix}"
