"""A look at the training data: small pictures, transcripts or rows, evenly chosen, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner.data.folders import list_files
from loraruner.data.lines import BadValue
from loraruner.data.samples import Clip, Picture, Row, Skipped
from loraruner.errors import DataInvalid, InputMissing, NoPermission
from loraruner.markup import Html, joined, tag

if TYPE_CHECKING:
    from loraruner.data.review.media import Thumbnail

MAX_PICTURES, MAX_LEFT_OUT = 24, 12
MAX_TEXTS = 6
SIDE_PIXELS = 160  # the longest side of a small picture
MAX_BYTES = 2 << 20  # of the addresses of all small pictures
SMALL_PIXELS = 100  # smaller pictures are enlarged pixel by pixel
MAX_CHARACTERS = 280  # of a text
MAX_CAPTION = 140
ROLES = {"system": "System", "user": "User", "assistant": "Answer"}


@dataclass(frozen=True)
class Example:
    """A sample that was trained on: its name, what is said of it, and its small picture where it is one."""

    name: str
    turns: tuple[tuple[str, str], ...]  # who speaks, what; a caption or transcript has nobody
    picture: Thumbnail | None = None


@dataclass(frozen=True)
class Gallery:
    """What a page shows of the data. ``left_out``: small pictures of samples that were not used, by their names."""

    used: tuple[Example, ...] = ()
    left_out: Mapping[str, Thumbnail] | None = None


def collect(data: Path, used: Sequence[Any], held_out: Sequence[Any], left_out: Sequence[Skipped]) -> Gallery:
    """Examples of ``used``, evenly chosen, and pictures of ``left_out`` that lie in the folder ``data`` and open.

    Pictures are decoded within the limits of ``data.pictures``; one that no longer opens is left out.
    """
    budget = _Budget(MAX_BYTES)
    if used and isinstance(used[0], Picture):
        chosen = _evenly(used, MAX_PICTURES)
        shown = [
            Example(picture.id, (("", _cut(picture.caption, MAX_CAPTION)),), small)
            for picture in chosen
            if (small := budget.thumbnail(picture.path))
        ]
        taken = {sample.id for sample in (*used, *held_out)}
        return Gallery(tuple(shown), dict(_left_out(data, left_out, taken, budget)))
    return Gallery(tuple(Example(each.id, _turns(each)) for each in _evenly(used, MAX_TEXTS)))


def examples(gallery: Gallery) -> Html | None:
    """The samples that were trained on, as figures or as texts; None without any."""
    if not gallery.used:
        return None
    pictures = any(example.picture for example in gallery.used)
    shown = (_figure(example) if pictures else _text(example) for example in gallery.used)
    return tag("div", *shown, class_="thumbnails" if pictures else "quotes")


def image(small: Thumbnail) -> Html:
    """A small picture as an element; the text beside it says what it is."""
    width, height = small.shown
    kind = "small" if max(small.size) < SMALL_PIXELS else None
    return tag("img", src=small.address, alt="", width=width, height=height, class_=kind)


class _Budget:
    """Small pictures, as long as their addresses are not too long in all."""

    def __init__(self, most: int) -> None:
        self._left = most

    def thumbnail(self, path: Path) -> Thumbnail | None:
        from loraruner.data.review.media import thumbnail  # numpy

        if self._left <= 0:
            return None
        try:
            small = thumbnail(path, SIDE_PIXELS)
        except BadValue:
            return None
        self._left -= len(small.address)
        return small if self._left >= 0 else None


def _left_out(
    data: Path, left_out: Iterable[Skipped], taken: set[str], budget: _Budget
) -> Iterable[tuple[str, Thumbnail]]:
    """Of the first samples that were left out those that open; names of other data sets are not looked up."""
    try:
        files = list_files(data).files
    except (DataInvalid, InputMissing, NoPermission):
        return
    found = [bad.name for bad in left_out if bad.name in files and bad.name not in taken]
    for name in found[:MAX_LEFT_OUT]:
        if small := budget.thumbnail(files[name]):
            yield name, small


def _evenly(samples: Sequence[Any], most: int) -> list[Any]:
    """At most so many, the first and the last among them."""
    if len(samples) <= most:
        return list(samples)
    return [samples[place * (len(samples) - 1) // (most - 1)] for place in range(most)]


def _turns(sample: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(sample, Clip):
        return (("", _cut(sample.transcript)),)
    if not isinstance(sample, Row):
        return ()
    if sample.messages:
        return tuple((ROLES[message.role], _cut(message.content)) for message in sample.messages[:MAX_TEXTS])
    if sample.prompt:
        return (("Prompt", _cut(sample.prompt)), ("Answer", _cut(sample.text)))
    return (("", _cut(sample.text)),)


def _cut(text: str, most: int = MAX_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _figure(example: Example) -> Html:
    small = image(example.picture) if example.picture else None
    return tag("figure", small, tag("figcaption", joined(text for _, text in example.turns), dir="auto"))


def _text(example: Example) -> Html:
    turns = (
        tag("p", tag("span", who, class_="who") if who else None, " " if who else None, text, dir="auto")
        for who, text in example.turns
    )
    return tag("blockquote", *turns, tag("cite", example.name))
