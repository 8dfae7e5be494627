"""Before and after: pictures as data URIs, completions side by side, clips, and what was measured on them."""

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loraruner.markup import Html, tag
from loraruner.report.blocks import section
from loraruner.report.clips import clips
from loraruner.report.measures import SPEECH, measures

SAMPLES_FOLDER = "samples"
MAX_TRIALS = 24
MAX_EMBEDDED_BYTES = 32 << 20
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SMALL_PIXELS = 200  # narrower pictures are shown enlarged, pixel by pixel


def trials(folder: Path, document: Mapping[str, Any]) -> Html | None:
    """Samples without and with the adapter, and their measures; None when nothing was tried."""
    metrics = document["metrics"]
    if document["task"] == SPEECH:
        return clips(folder, document)
    if not metrics["trials"]:
        return None
    if document["task"] == "text-to-image":
        shown = list(_pictures(folder / SAMPLES_FOLDER, metrics["trials"]))
    else:
        shown = [_texts(trial) for trial in metrics["trials"][:MAX_TRIALS]]
    left_out = len(metrics["trials"]) - len(shown)
    more = tag("p", f"{left_out} more in the folder {SAMPLES_FOLDER}/.", class_="note") if left_out else None
    kind = "pictures" if document["task"] == "text-to-image" else "texts"
    return section(
        "Before and after",
        tag("p", "The same prompts and seeds, on the base model alone and with the exported adapter."),
        tag("div", *shown, class_=f"trials {kind}"),
        more,
        measures(document),
    )


def _pictures(folder: Path, found: Sequence[Mapping[str, str]]) -> Iterator[Html]:
    """One figure a prompt, as many as fit into a page that can still be mailed."""
    left = MAX_EMBEDDED_BYTES
    for trial in found[:MAX_TRIALS]:
        left -= sum((folder / trial[when]).stat().st_size for when in ("before", "after"))
        if left < 0:
            return
        pair = tag("div", *(_picture(folder / trial[when], when) for when in ("before", "after")), class_="pair")
        yield tag("figure", pair, tag("figcaption", trial["prompt"]))


def _picture(path: Path, when: str) -> Html:
    data = path.read_bytes()
    if not data.startswith(PNG_SIGNATURE):
        raise ValueError(f"{path}: sample pictures are PNG files")
    width, height = struct.unpack(">II", data[16:24])
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    kind = "small" if width < SMALL_PIXELS else None
    image = tag("img", src=source, width=width, height=height, alt=when, class_=kind)
    return tag("div", image, tag("span", when, class_=f"when {when}"))


def _texts(trial: Mapping[str, str]) -> Html:
    answers = (
        tag(
            "div",
            tag("span", when, class_=f"when {when}"),
            tag("p", trial[when] or "(nothing)"),
            class_="answer",
        )
        for when in ("before", "after")
    )
    return tag("article", tag("h3", trial["prompt"]), tag("div", *answers, class_="pair"))
