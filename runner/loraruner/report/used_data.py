"""The part of the page on data: how much was used, a look at it, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loraruner.markup import Html, joined, tag
from loraruner.report.blocks import facts, section
from loraruner.report.figures import number
from loraruner.report.gallery import Gallery, examples, image
from loraruner.report.known_data import SHORT_DIGEST, known_data
from loraruner.report.measures import noun

if TYPE_CHECKING:
    from loraruner.data.review.media import Thumbnail

MAX_SKIPPED = 50
MAX_REASONS = 8
MANY = 3  # samples for each reason, from which on the reasons are counted first

Document = Mapping[str, Any]
Skipped = Sequence[Mapping[str, str]]


def data(document: Document, gallery: Gallery) -> Html:
    """What was trained on, and what could not be used."""
    used = document["data"]
    count = used["used"]
    shown = examples(gallery)
    part = "" if len(gallery.used) == count else f": {number(len(gallery.used))} of {number(count)}, evenly chosen"
    return section(
        "Data",
        _counts(document),
        facts({"from": used["uri"], "digest": used["digest"][:SHORT_DIGEST], **known_data(document)}),
        joined((tag("h3", f"What was trained on{part}"), shown)) if shown else None,
        _left_out(used["skipped"], gallery.left_out or {}) if used["skipped"] else None,
    )


def _counts(document: Document) -> Html:
    used = document["data"]
    count, skipped = used["used"], len(used["skipped"])
    rounds = f"{document['samples_seen'] / max(1, count):.3g}"
    told = (
        ("trained on", number(count), f"{noun(document, count)}, each seen {rounds} times"),
        ("held out", number(used["held_out"]), "to measure with" if used["held_out"] else "nothing was measured"),
        ("left out", number(skipped), "listed below" if skipped else "all could be used"),
    )
    return tag(
        "dl",
        *(tag("div", tag("dt", name), tag("dd", value, " ", tag("small", note))) for name, value, note in told),
        class_="counts",
    )


def _left_out(skipped: Skipped, pictures: Mapping[str, Thumbnail]) -> Html:
    """One line each, those with a picture first; where reasons repeat, how often each was met."""
    kinds = Counter(bad["reason"].partition(":")[0] for bad in skipped)  # what follows is of one sample
    rows = sorted(skipped, key=lambda bad: bad["name"] not in pictures)[:MAX_SKIPPED]
    more = len(skipped) - len(rows)
    return joined(
        (
            tag("h3", "What was left out"),
            tag("p", f"{'; '.join(_reasons(kinds))}.") if len(skipped) >= MANY * len(kinds) else None,
            tag("ul", *(_line(bad, pictures) for bad in rows), class_="skipped"),
            tag("p", f"{number(more)} more are named in manifest.json.", class_="note") if more else None,
        )
    )


def _line(bad: Mapping[str, str], pictures: Mapping[str, Thumbnail]) -> Html:
    small = pictures.get(bad["name"])
    seen = tag("div", image(small) if small else None, class_="seen") if pictures else None
    return tag("li", seen, tag("div", tag("b", bad["name"], dir="auto"), " ", tag("span", bad["reason"])))


def _reasons(kinds: Counter[str]) -> Iterator[str]:
    for reason, count in kinds.most_common(MAX_REASONS):
        yield f"{number(count)}: {reason}"
    if len(kinds) > MAX_REASONS:
        yield "and others"
