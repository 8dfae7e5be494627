"""What was measured: error rates first, and names that people know."""

from collections.abc import Mapping, Sequence
from typing import Any

from loraruner.markup import Html, joined, tag
from loraruner.report.blocks import table
from loraruner.report.figures import number, percent

SPEECH = "automatic-speech-recognition"
NAMES = {
    "wer": "word error rate, normalised",
    "wer_raw": "word error rate, raw",
    "cer": "character error rate, normalised",
    "cer_raw": "character error rate, raw",
}
NORMALISED = (
    "Words (characters) that are wrong, left out or put in, by those said; so a rate may exceed 100 %. Normalised: "
    "Whisper's own rules, by which case and punctuation don't count, nor in English contractions and forms of numbers."
)

Document = Mapping[str, Any]
Pair = tuple[float | None, float | None]


def noun(document: Document, count: int | None = None) -> str:
    """What samples of the version's data are called: plural, but for a ``count`` of 1."""
    name = "clip" if document["task"] == SPEECH else "sample"
    return name if count == 1 else f"{name}s"


def measured(document: Document, name: str) -> Pair | None:
    """A measure before and after: of the exported adapter on a fresh base, else of the training; None without one."""
    metrics = document["metrics"]
    samples: Mapping[str, float] = metrics["samples"]
    if f"{name}.after" in samples:
        return samples.get(f"{name}.before"), samples[f"{name}.after"]
    before, after = metrics["evaluation_before"] or {}, metrics["evaluation_after"] or {}
    return (before.get(name), after[name]) if name in after else None


def published_step(document: Document) -> int | None:
    """The step whose weights are published, where it is not the last; else None."""
    step: int | None = document["metrics"].get("selected_step")
    return None if step == document["steps"] else step


def measures(document: Document) -> Html | None:
    """Pairs ``NAME.before`` and ``NAME.after`` as one row, other numbers alone."""
    found: Mapping[str, float] = document["metrics"]["samples"]
    names = dict.fromkeys(name.removesuffix(".before").removesuffix(".after") for name in found)
    if not names:
        return None
    rows = [
        (_label(name, document), *(_value(name, found.get(f"{name}.{when}")) for when in ("before", "after")))
        if name not in found
        else (_label(name, document), "—", number(found[name]))
        for name in names
    ]
    speech = document["task"] == SPEECH
    title = "Measured on all held-out clips" if speech else "Measured on these samples"
    note = tag("p", NORMALISED, class_="note") if speech else None
    return joined((tag("h3", title), table(("measure", "before", "after"), rows, numbers=(1, 2)), note))


def _value(name: str, value: float | None) -> str:
    return percent(value) if name in NAMES else number(value)


def _label(name: str, document: Document) -> str:
    """``phrase.N`` is the share of answers that hold the job's N-th expected phrase."""
    kind, _, place = name.partition(".")
    phrases: Sequence[str] = document["job"]["options"].get("expect_phrases", ())
    if kind == "phrase" and place.isdigit() and int(place) < len(phrases):
        return f"share of answers with “{phrases[int(place)]}”"
    return NAMES.get(name, name)
