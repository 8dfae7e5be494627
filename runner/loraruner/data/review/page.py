"""What is around the samples on a sheet: policy, heading, keys, progress, filter, and the data for its script."""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from loraruner.data.review.cards import Shown
from loraruner.data.review.record import content_digest
from loraruner.data.review.texts import is_editable, is_one_line, texts_of
from loraruner.data.samples import Clip, Picture, Row
from loraruner.markup import Html, joined, tag

NOUNS = {Picture: ("picture", "caption"), Clip: ("recording", "transcript"), Row: ("row", "answer")}
KEYS = (
    ("j or ↓", "next sample"),
    ("k or ↑", "sample before"),
    ("a", "accept"),
    ("r", "reject"),
    ("e", "edit the text; Esc or Enter leaves it, Ctrl Enter accepts it"),
    ("c", "write a comment"),
    ("p", "play or stop a recording, enlarge a picture"),
    ("u", "undo the last verdict"),
)
FILTERS = (("all", "All"), ("open", "Open"), ("found", "With findings"), ("reject", "Rejected"))


@dataclass(frozen=True)
class Heading:
    """What the head of a sheet says, and what its script counts with.

    ``share``: how many of the samples that stay are to be accepted. The last ``num_spare`` samples on the sheet take
    the place of rejected ones. ``elsewhere``: how many samples that are not on this sheet were accepted and rejected
    before.
    """

    title: str
    share: float
    num_samples: int
    num_unusable: int
    num_spare: int
    notes: tuple[str, ...]
    elsewhere: tuple[int, int]


def before_samples(heading: Heading, shown: Sequence[Shown]) -> str:
    """The page up to its first sample."""
    style, script = _asset("sheet.css"), _asset("sheet.js")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"Review of {heading.title}"),
        tag("style", style),
    )
    bar = _bar(len(shown) - heading.num_spare)
    return f'<!doctype html>\n<html lang="en">{head}<body>\n{_intro(heading, shown)}\n{bar}\n<main>\n'


def after_samples(heading: Heading, shown: Sequence[Shown]) -> str:
    """The page from its last sample on."""
    parts = (
        Html("</main>\n"),
        tag("p", "No sample here. Choose another list above.", class_="empty", hidden=True),
        tag(
            "footer",
            tag("p", "Done? Save review.csv and hand it to whoever keeps the data; they run "),
            tag("pre", "loraruner data review SOURCE --apply review.csv"),
        ),
        tag("dialog", tag("img", alt=""), tag("button", "Close", type="button", class_="close"), aria_label="Enlarged"),
        tag("script", _data(heading, shown), type="application/json", id="sheet"),
        tag("script", _asset("sheet.js")),
        Html("</body></html>\n"),
    )
    return joined(parts)


def _asset(name: str) -> Html:
    return Html((files("loraruner.data.review") / name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """Nothing but this very style and script, and media within the page."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; img-src data:; "
        "media-src data:; base-uri 'none'; form-action 'none'"
    )


def _intro(heading: Heading, shown: Sequence[Shown]) -> Html:
    noun, text = NOUNS[type(shown[0].sample)]
    number = len(shown) - heading.num_spare
    which = f"All {number} {noun}s" if number == heading.num_samples else f"{number} of {heading.num_samples} {noun}s"
    picked = "" if number == heading.num_samples else ", picked at random"
    unusable = f"{heading.num_unusable} more can't be used and are not shown." if heading.num_unusable else None
    notes = [each for each in (*heading.notes, unusable) if each]
    return tag(
        "header",
        tag("p", "Review", class_="kicker"),
        tag("h1", heading.title),
        tag(
            "p",
            f"{which}{picked}. Correct {text}s that are wrong, accept what may be trained on, reject what must not. "
            + ("For one that you reject another may come in at the end. " if heading.num_spare else "")
            + "Save review.csv when you are done.",
            class_="lede",
        ),
        tag("ul", *(tag("li", note) for note in notes), class_="notes") if notes else None,
        _keys(),
        tag("noscript", tag("p", "Without scripts this page can be read and printed, not filled in.", class_="alert")),
        tag("p", role="alert", class_="alert", hidden=True),
    )


def _keys() -> Html:
    pairs = (joined((tag("dt", tag("kbd", key)), tag("dd", does))) for key, does in KEYS)
    switch = tag("input", type="checkbox", id="keys", checked=True)
    return tag(
        "details",
        tag("summary", "Keys"),
        tag("dl", *pairs),
        tag("p", switch, tag("label", "Use these keys", for_="keys")),
        class_="keys",
    )


def _bar(num_shown: int) -> Html:
    def choice(value: str, label: str) -> Html:
        box = tag(
            "input", type="radio", name="filter", id=f"f-{value}", value=value, checked=True if value == "all" else None
        )
        return joined((box, tag("label", label, " ", tag("span", class_="number"), for_=f"f-{value}")))

    return tag(
        "div",
        tag(
            "div",
            tag("progress", max=num_shown, value=0, aria_label="Judged"),
            tag("p", f"{num_shown} to judge", id="count", role="status"),
            class_="progress",
        ),
        tag("fieldset", tag("legend", "Show"), *(choice(*each) for each in FILTERS), class_="filter"),
        tag("button", "Save review.csv", type="button", class_="save"),
        class_="bar",
    )


def _data(heading: Heading, shown: Sequence[Shown]) -> Html:
    """What the script knows of the samples; as JSON within HTML, where nothing can end the element."""
    samples = list(_samples(shown))
    known = "\n".join(f"{each['digest']} {each['id']}" for each in samples)
    document = {
        "key": hashlib.sha256(known.encode()).hexdigest()[:32],
        "share": heading.share,
        "total": heading.num_samples,
        "spare": heading.num_spare,
        "elsewhere": heading.elsewhere,
        "samples": samples,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Html(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _samples(shown: Sequence[Shown]) -> Iterator[dict[str, Any]]:
    for each in shown:
        texts = list(texts_of(each.sample)) if is_editable(each.sample) else None
        entry: dict[str, Any] = {"id": each.sample.id, "digest": content_digest(each.sample), "texts": texts}
        if is_one_line(each.sample):
            entry["line"] = True
        if each.verdict:
            entry |= {"verdict": each.verdict.verdict, "comment": each.verdict.comment}
        yield entry
