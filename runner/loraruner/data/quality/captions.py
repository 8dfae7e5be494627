"""What is wrong with the captions of a set: the same twice, too short, vague, too long, clashing, without trigger."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loraruner.data.quality.findings import Finding
from loraruner.data.quality.styles import Styles, singular
from loraruner.data.quality.words import normalised, num_words, whole_words
from loraruner.spec.model import Quality

ARTICLES = frozenset({"a", "an", "the"})
CONNECTING = frozenset({"of", "in", "with", "by", "and", "on"})  # "a photo of TRIGGER" is no more than "a photo"
# Praise says nothing of a picture: "a very beautiful photo, masterpiece, best quality" is no more than "a photo".
PRAISE = frozenset(
    {"amazing", "awesome", "beautiful", "best", "cool", "gorgeous", "great", "good", "lovely", "nice"}
    | {"pretty", "stunning", "wonderful", "very", "really", "so", "4k", "8k", "detailed", "hd", "high"}
    | {"highly", "masterpiece", "quality"}
)


@dataclass(frozen=True, slots=True)
class _Caption:
    """A caption: the sample's id, the text with single spaces, and the text without what doesn't count."""

    id: str
    text: str
    normal: str


Judge = Callable[[_Caption], str]  # what is wrong, or ""


def check_captions(
    captions: Sequence[tuple[str, str]],
    quality: Quality,
    count_tokens: Callable[[str], int] | None,
    max_tokens: int,
) -> tuple[Finding, ...]:
    """Findings on ``(id, caption)`` pairs in their order, several of one in the order of ``spec.model.Checks``.

    ``count_tokens`` is the base's own count and ``max_tokens`` what it takes; None leaves long captions unfound.
    Kinds whose check is "off" are neither looked for nor reported.
    """
    judges: dict[str, Judge] = {
        "identical_caption": _identical(),
        "short_caption": _short(quality.min_caption_words),
        "vague_caption": _vague(quality),
        "long_caption": _long(count_tokens, max_tokens),
        "clashing_styles": _clashing(quality.clashing_styles),
        "trigger_missing": _trigger_missing(quality.trigger),
    }
    wanted = {kind: judge for kind, judge in judges.items() if getattr(quality.checks, kind) != "off"}
    return tuple(
        Finding(caption.id, kind, detail)
        for caption in (_Caption(id, " ".join(text.split()), normalised(text)) for id, text in captions)
        for kind, judge in wanted.items()
        if (detail := judge(caption))
    )


def _identical() -> Judge:
    first: dict[str, str] = {}

    def judge(caption: _Caption) -> str:
        other = first.setdefault(caption.normal, caption.id)
        return "" if other == caption.id else f"has the same caption as {other}"

    return judge


def _short(min_words: int) -> Judge:
    def judge(caption: _Caption) -> str:
        words = num_words(caption.text)
        if words >= min_words:
            return ""
        return f"has a caption of {words} word{'' if words == 1 else 's'}, fewer than {min_words}"

    return judge


def _vague(quality: Quality) -> Judge:
    vague = {_essence(normalised(phrase)) for phrase in quality.vague_captions}
    trigger = _finder(quality.trigger)

    def judge(caption: _Caption) -> str:
        essence = _essence(caption.normal)
        if essence in vague or (caption.normal and not essence):
            return "has a vague caption: it would fit almost any picture"
        if trigger is None or not trigger.search(caption.text):
            return ""
        rest = _essence(normalised(trigger.sub(" ", caption.text)))
        says_nothing = rest in vague or not any(map(str.isalnum, rest))
        return "has a vague caption: it names only the trigger" if says_nothing else ""

    return judge


def _essence(normal: str) -> str:
    """What counts of a normalised caption beside vague ones: no articles, praise, plurals, nor "of" at an end."""
    words = [singular(word) for word in normal.split() if word not in ARTICLES and word not in PRAISE]
    while words and words[-1] in CONNECTING:
        words.pop()
    while words and words[0] in CONNECTING:
        words.pop(0)
    return " ".join(words)


def _long(count_tokens: Callable[[str], int] | None, max_tokens: int) -> Judge:
    def judge(caption: _Caption) -> str:
        num_tokens = count_tokens(caption.text) if count_tokens else 0
        if num_tokens <= max_tokens:
            return ""
        return f"has a caption of {num_tokens:,} tokens, more than {max_tokens:,}: the rest would be cut off"

    return judge


def _clashing(lists: Sequence[Sequence[str]]) -> Judge:
    styles = Styles(lists)

    def judge(caption: _Caption) -> str:
        clash = styles.clash(caption.normal)
        return f"mixes styles in its caption: {clash[0]!r} and {clash[1]!r}" if clash else ""

    return judge


def _trigger_missing(trigger: str | None) -> Judge:
    wanted = _finder(trigger)

    def judge(caption: _Caption) -> str:
        if wanted is None or wanted.search(caption.text):
            return ""
        return f"has a caption without the trigger {trigger!r}"

    return judge


def _finder(trigger: str | None) -> re.Pattern[str] | None:
    return whole_words(trigger) if trigger else None
