"""The worst held-out clips: what is said, what is heard without and with the adapter, wrong words marked."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loraruner.markup import Html, tag
from loraruner.report.blocks import section
from loraruner.report.differences import compare, words
from loraruner.report.measures import measures

ALL_CLIPS = "samples/transcripts.jsonl"
MAX_CLIPS = 24
COLUMNS = ("clip", "what is said", "without the adapter", "with the adapter")
NOT_MEASURED = (
    "No clip was held out, so nothing tells whether the adapter helps: give evaluation.fraction or evaluation.uri."
)

Trial = Mapping[str, str]
Counts = Mapping[str, Mapping[str, int]]  # by clip: ``words``, ``word_errors_before``, ``word_errors_after``


def clips(folder: Path, document: Mapping[str, Any]) -> Html | None:
    """The clips that the manifest names, worst first, and the error rates of all. Where none was held out, that.

    Word errors are those that ``folder/samples/transcripts.jsonl`` counts, as the error rate does; a clip that it does
    not have is counted by the marked words.
    """
    found: Sequence[Trial] = document["metrics"]["trials"]
    if not found:
        return None if document["data"]["held_out"] else section("Not measured", tag("p", NOT_MEASURED))
    shown, counts = found[:MAX_CLIPS], _counts(folder / ALL_CLIPS)
    head = tag("thead", tag("tr", *(tag("th", name) for name in COLUMNS)))
    body = tag("tbody", *(_row(trial, counts.get(trial["prompt"], {})) for trial in shown))
    return section(
        "The ten worst clips" if len(shown) == 10 else "Clips, the worst first",
        tag(
            "p",
            "Clips that were held out of training, as the base model alone and the exported adapter hear them. ",
            tag("mark", "Marked"),
            " words are wrong, ",
            tag("del", "struck"),
            " ones were left out; case and punctuation don't count.",
        ),
        tag("div", tag("table", head, body, class_="clips"), class_="scroll"),
        tag("p", f"All {document['data']['held_out']} held-out clips are in {ALL_CLIPS}.", class_="note"),
        measures(document),
    )


def _counts(path: Path) -> Counts:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").split("\n")  # texts may hold other line separators
    rows = (json.loads(line) for line in lines if line)
    return {row["clip"]: row for row in rows}


def _row(trial: Trial, counts: Mapping[str, int]) -> Html:
    said = trial.get("reference", "")
    num_words = counts.get("words", len(words(said)))
    cells = [(said, f"{num_words} word{'' if num_words == 1 else 's'}")]
    for when in ("before", "after"):
        cells.append(_heard(said, trial[when], counts.get(f"word_errors_{when}")))
    named = (
        tag("td", text, tag("small", told, dir="ltr"), data_label=label, dir="auto")
        for label, (text, told) in zip(COLUMNS[1:], cells, strict=True)
    )
    return tag("tr", tag("th", trial["prompt"], scope="row"), *named)


def _heard(said: str, heard: str, num_errors: int | None) -> tuple[str, str]:
    """The transcript, and how many words are wrong; nothing is marked where the error rate counts none."""
    compared = compare(said, heard)
    told = f"{compared.num_wrong if num_errors is None else num_errors} wrong"
    if not heard.strip():
        return tag("i", "(nothing)"), told
    return (heard if num_errors == 0 else compared.marked), told
