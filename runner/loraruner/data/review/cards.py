"""One sample on the sheet: what there is to see or hear, its text, what was found, and the buttons."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from loraruner.data.lines import BadValue
from loraruner.data.quality.findings import Finding
from loraruner.data.review.media import sound, thumbnail
from loraruner.data.review.record import Reviewable, Verdict
from loraruner.data.review.texts import ASSISTANT, is_editable, max_characters, texts_of
from loraruner.data.review.verdicts import MAX_COMMENT_CHARACTERS
from loraruner.data.samples import Clip, Picture, Row
from loraruner.markup import Html, hidden, joined, tag

CUT_CHARACTERS = 20_000  # of a text that can't be corrected here
TINY_PIXELS = 256  # a picture no larger than this keeps hard edges when it is shown larger
ROLES = {"system": "System", "user": "User", "prompt": "Prompt"}


@dataclass(frozen=True)
class Shown:
    """A sample on the sheet, what ``data check`` says of it, and what was said of it before."""

    sample: Reviewable
    findings: tuple[Finding, ...] = ()
    verdict: Verdict | None = None


def card(shown: Shown, place: int, side: int) -> Html:
    """The sample at ``place`` (from 0); pictures with no side longer than ``side`` pixels."""
    seen, faults = _seen(shown.sample, side)
    return tag(
        "article",
        seen,
        tag(
            "div",
            tag("h2", shown.sample.id, class_="name", id=f"n{place}"),
            _findings([*_told(shown.findings), *faults, *_unseen(shown.sample)]),
            *_turns(shown.sample, place),
            _buttons(place),
            class_="words",
        ),
        class_="sample" if isinstance(shown.sample, Picture) else "sample wide",
        tabindex="-1",
        aria_labelledby=f"n{place}",
        data_found=True if shown.findings or faults else None,
    )


def _seen(sample: Reviewable, side: int) -> tuple[Html | None, list[tuple[str, str]]]:
    """Picture or player, and the fault why there is none."""
    try:
        if isinstance(sample, Picture):
            return _picture(sample, side), []
        if isinstance(sample, Clip):
            return _player(sample), []
    except BadValue as fault:
        return tag("div", "not shown", class_="media nothing"), [("unreadable", str(fault))]
    return None, []


def _picture(sample: Picture, side: int) -> Html:
    small = thumbnail(sample.path, side)
    width, height = small.shown
    image = tag(
        "img",
        src=small.address,
        alt="",
        width=width,
        height=height,
        loading="lazy",
        decoding="async",
        class_="tiny" if max(small.size) <= TINY_PIXELS else None,
    )
    button = tag("button", image, type="button", class_="enlarge", aria_label=f"Enlarge {sample.id}")
    size = tag("p", f"{small.size[0]} × {small.size[1]} pixels", class_="facts")  # noqa: RUF001  # a times sign
    return tag("div", button, size, class_="media")


def _player(sample: Clip) -> Html:
    heard = sound(sample.path)
    length = _clock(heard.length_s)
    cut = "" if heard.heard_s == heard.length_s else f", of which the first {_clock(heard.heard_s)} can be heard here"
    spoken = [each for each in (sample.language, sample.whisper_task) if each]
    return tag(
        "div",
        tag("audio", controls=True, preload="none", src=heard.address, aria_label=f"Play {sample.id}"),
        tag("p", " · ".join([length + cut, *spoken]), class_="facts"),
        class_="media heard",
    )


def _clock(seconds: float) -> str:
    """Minutes and seconds; tenths below ten seconds."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02d} min"


def _told(findings: tuple[Finding, ...]) -> Iterator[tuple[str, str]]:
    """Kind and detail; a detail that begins by saying the kind goes on from there."""
    for each in findings:
        kind = each.kind.replace("_", " ")
        yield kind, re.sub(rf"^(?:is|has)(?: an?)? {re.escape(kind)}: ", "", each.detail)


def _unseen(sample: Reviewable) -> list[tuple[str, str]]:
    """Characters that a text field doesn't show, and that a model reads."""
    found = hidden("".join(texts_of(sample)))
    codes = ", ".join(f"U+{ord(each):04X}" for each in found[:5])
    return [("hidden characters", f"holds what can't be seen: {codes}")] if found else []


def _findings(told: list[tuple[str, str]]) -> Html | None:
    if not told:
        return None
    items = (tag("li", tag("b", kind), " ", detail) for kind, detail in told)
    return tag("ul", *items, class_="findings", aria_label="Found by data check")


def _turns(sample: Reviewable, place: int) -> Iterator[Html]:
    """Every turn in order; what is trained can be edited."""
    texts = texts_of(sample)
    if not isinstance(sample, Row):
        yield _field(sample, f"t{place}-0", "Caption" if isinstance(sample, Picture) else "Transcript", texts[0])
        return
    if not sample.messages:
        if sample.prompt:
            yield _turn("prompt", sample.prompt)
        yield _field(sample, f"t{place}-0", "Answer" if sample.prompt else "Text", texts[0])
        return
    number = 0
    for message in sample.messages:
        if message.role == ASSISTANT:
            label = "Answer" if len(texts) == 1 else f"Answer {number + 1}"
            yield _field(sample, f"t{place}-{number}", label, message.content)
            number += 1
        else:
            yield _turn(message.role, message.content)


def _turn(role: str, text: str) -> Html:
    return tag("div", tag("h3", ROLES[role]), tag("p", _cut(text), dir="auto"), class_=f"turn {role}")


def _field(sample: Reviewable, name: str, label: str, text: str) -> Html:
    editable = is_editable(sample)
    note = None if editable else tag("p", "Too long to be corrected here.", class_="facts")
    area = tag(
        "textarea",
        "\n" + (text if editable else _cut(text)),  # HTML drops the first line end
        id=name,
        rows="2",
        dir="auto",
        spellcheck="true",
        maxlength=max_characters(sample) if editable else None,
        readonly=None if editable else True,
    )
    was = tag("p", tag("b", "Before: "), tag("span", dir="auto"), class_="was", hidden=True)
    return joined((tag("label", label, for_=name), area, note, was))


def _cut(text: str) -> str:
    more = len(text) - CUT_CHARACTERS
    return text if more <= 0 else f"{text[:CUT_CHARACTERS]} … ({more:,} more characters)"


def _buttons(place: int) -> Html:
    def button(verdict: str, label: str, key: str) -> Html:
        hint = tag("kbd", key, aria_hidden="true")
        return tag("button", label, hint, type="button", class_=verdict, aria_pressed="false")

    field = tag("input", type="text", id=f"c{place}", maxlength=MAX_COMMENT_CHARACTERS, autocomplete="off", dir="auto")
    return tag(
        "div",
        tag("div", button("accept", "Accept", "a"), button("reject", "Reject", "r"), class_="pair"),
        tag("p", tag("label", "Comment", for_=f"c{place}"), field, class_="comment"),
        role="group",
        aria_label="Your verdict",
        class_="verdict",
    )
