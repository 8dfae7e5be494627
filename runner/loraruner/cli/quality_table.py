"""What a check of a data set found, as JSON and as tables for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loraruner.data.licences import find_licences
from loraruner.data.quality.notes import notes
from loraruner.quality import action_of, num_clean, quality_of
from loraruner.redact import Redactor
from loraruner.spec import catalog

if TYPE_CHECKING:
    from loraruner.data.quality.findings import Found
    from loraruner.sources import Source
    from loraruner.spec import Spec

NUM_SHOWN = 20  # findings in a table, about
MEANINGS = {
    "unreadable": "cannot be used: the file, the row or the recording is damaged or of another kind",
    "no_caption": "has no caption or transcript that can be used",
    "metadata": "a line of the metadata file cannot be used, or what it names is not there",
}


@dataclass(frozen=True)
class Circumstances:
    """What is known beside the data: whether a job names it, and whether lengths in tokens were checked."""

    has_job: bool
    counted: bool
    secrets: tuple[str, ...]


def report(spec: Spec, source: Source, found: Found, known: Circumstances) -> dict[str, Any]:
    """The whole result; the same for the same data and arguments."""
    checks = quality_of(spec).checks
    licences = find_licences(source.path)
    return {
        "source": Redactor(known.secrets).text(source.uri),
        "task": spec.task,
        "samples": found.num_samples,
        "clean": num_clean(found),
        "faults": [
            {"kind": kind, "action": action_of(kind, checks), "count": count, "meaning": meaning(kind)}
            for kind, count in found.counts().items()
        ],
        "findings": [{"sample": each.sample, "kind": each.kind, "detail": each.detail} for each in found.findings],
        "notes": _notes(spec, found, known, licences),
        "license_files": list(licences),
        "digest": source.sha256,
    }


def meaning(kind: str) -> str:
    """One sentence on a kind of finding, as the schema describes its check."""
    if kind in MEANINGS:
        return MEANINGS[kind]
    path = ("data", "quality", "checks", kind)
    key = next(key for key in catalog.all_keys() if key.path == path)
    of_what, _, said = str(key.schema["description"]).partition(": ")
    text = said.replace("`", "").rstrip(".")
    return f"caption: {text}" if of_what == "Captions" else text


def brief(report: dict[str, Any]) -> dict[str, Any]:
    """What a person wants to see first; names and details are cleaned of what a terminal would obey."""
    clean = Redactor(()).text
    faults = [
        {"fault": each["kind"], "samples": each["count"], "action": each["action"], "meaning": each["meaning"]}
        for each in report["faults"]
    ]
    findings = [{name: clean(text) for name, text in each.items()} for each in shown(report)]
    return {
        "source": report["source"],
        "task": report["task"],
        "samples": report["samples"],
        "nothing found in": report["clean"],
        **({"licence files": report["license_files"]} if report["license_files"] else {}),
        **({"notes": report["notes"]} if report["notes"] else {}),
        "digest": report["digest"],
        "faults": faults or "none found",
        **({"findings": findings} if findings else {}),
    }


def shown(report: dict[str, Any]) -> list[dict[str, str]]:
    """The first findings of every kind, in the order of all: a frequent one takes no place from the others."""
    each_kind = max(NUM_SHOWN // max(len(report["faults"]), 1), 1)
    left = {fault["kind"]: each_kind for fault in report["faults"]}
    chosen = []
    for finding in report["findings"]:
        if left[finding["kind"]]:
            left[finding["kind"]] -= 1
            chosen.append(finding)
    return chosen


def left_out(report: dict[str, Any]) -> str:
    """A line on what the table does not show, or nothing."""
    more = len(report["findings"]) - len(shown(report))
    many = "more finding" if more == 1 else "more findings"
    return f"{more} {many}: --format json or --output FILE has all of them" if more else ""


def _notes(spec: Spec, found: Found, known: Circumstances, licences: tuple[str, ...]) -> list[str]:
    """Advice on the set as a whole, and what the table cannot say."""
    checks = quality_of(spec).checks
    skipped = {each.sample: each.kind for each in found.findings if action_of(each.kind, checks) == "skip"}
    lines = sum(kind == "metadata" for kind in skipped.values())  # bad as well, but no samples
    num_bad, total = len(skipped), found.num_samples + lines
    held_out = bool(spec.evaluation.fraction or spec.evaluation.uri) if known.has_job else None
    told = list(notes(spec.task, total - num_bad, held_out=held_out, license=spec.data.license, licence_files=licences))
    if num_bad > spec.data.max_bad_fraction * total:
        told.append(
            f"{num_bad} of {total} {'samples and lines of metadata' if lines else 'samples'} would be skipped, more "
            f"than data.max_bad_fraction = {spec.data.max_bad_fraction:g} allows: a job that trains on them ends with "
            "code 65."
        )
    if spec.task == "text-to-image" and (num_bare := found.counts().get("no_caption", 0)):
        told.append(f"{num_bare} without a caption: loraruner data label, or data.caption in a job, makes captions.")
    if spec.task == "text-generation" and not known.counted and checks.long_answer != "off":
        told.append("Answers were counted in words alone: --tokenizer or --job names what counts tokens.")
    return told
