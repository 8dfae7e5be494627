"""Is a data set fit to train on, and what follows: what ``data check`` and the quality gate of a run have in common.

Every finding is of a kind: a field of ``spec.model.Checks``, for which ``data.quality.checks`` says what follows, or
one of ``UNUSABLE``, which is always skipped.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from loraruner.data.captions import NoText, listed_in_vain, text_of
from loraruner.data.clips import scan_clips
from loraruner.data.folders import list_files
from loraruner.data.kinds import CLIPS, PICTURES, Kind
from loraruner.data.lines import BadValue
from loraruner.data.metadata import Captions, read_captions
from loraruner.data.quality.findings import UNUSABLE, Finding, Found, of_skipped
from loraruner.data.quality.notes import notes
from loraruner.data.rows import scan_rows
from loraruner.data.samples import Picture, Row, Scan, Skipped
from loraruner.errors import DataInvalid
from loraruner.families.base import TokenLimit
from loraruner.families.speech.items import FRAME_S
from loraruner.spec import ImageOptions, Spec, SpeechOptions
from loraruner.spec.model import Checks, Quality

Between = Callable[[int, int], None]
Texts = Sequence[tuple[str, str]]  # sample and caption
Looked = tuple[int, Iterator[Finding]]  # how many samples, and what is found as it is looked for

Checker = Callable[[Sequence[Any], "Inspection"], Iterator[Finding]]

CHECKS_KEY = "$.data.quality.checks"
DOUBLES = ("near_duplicate", "identical_caption", "duplicate_row")  # of each the first stays
NUM_SHOWN = 3
SHOWN_CHARACTERS = 100

_LOG = logging.getLogger(__name__)


def unwatched(done: int, total: int) -> None:
    """Nobody is told how far it is."""


@dataclass(frozen=True)
class Inspection:
    """What to look at: a data set on this machine; by which measures; whom to tell how far it is."""

    path: Path
    quality: Quality
    metadata: str | None = None
    limit: TokenLimit | None = None  # None: no length in tokens is checked
    between: Between = unwatched  # samples done and in all; may raise to stop
    clips: SpeechOptions = field(default_factory=SpeechOptions)
    captioner: bool = False  # a picture without a caption will get one


def quality_of(spec: Spec) -> Quality:
    """The job's checks and thresholds, the usual ones where it has none; ``min_side`` is the resolution."""
    quality = spec.data.quality or Quality()
    if quality.min_side is None and isinstance(spec.options, ImageOptions):
        return replace(quality, min_side=spec.options.resolution)
    return quality


def action_of(kind: str, checks: Checks) -> str:
    """What follows from a finding: ``warn``, ``skip`` or ``fail``; ``off`` where nobody looks for it."""
    action: str = "skip" if kind in UNUSABLE else getattr(checks, kind)
    return action


def num_clean(found: Found) -> int:
    """Samples without a finding; a line of a metadata file is no sample."""
    return found.num_samples - len({each.sample for each in found.findings if each.kind != "metadata"})


def inspect(spec: Spec, path: Path, limit: TokenLimit | None, between: Between = unwatched) -> Found:
    """Look at every file, caption, row or clip of a data set in ``path`` as the job would; changes nothing.

    Pictures are decoded once each, in worker processes. Raises InputMissing (66) and DataInvalid (65) where the data
    set as a whole can't be read, and what ``between`` raises.
    """
    clips = spec.options if isinstance(spec.options, SpeechOptions) else SpeechOptions()
    asked = Inspection(path, quality_of(spec), spec.data.metadata, limit, between, clips, spec.data.caption is not None)
    num_samples, findings = _INSPECTORS[spec.task](asked)
    return replace(_found(num_samples, findings, asked.quality), notes=notes(spec.task, num_samples))


def gate(
    spec: Spec, scan: Scan[Any], limit: TokenLimit | None, between: Between = unwatched
) -> tuple[Scan[Any], Found]:
    """Check scanned samples as ``data.quality`` of the job asks: warn, leave samples out, or refuse the data set.

    One line is logged for each kind of finding. Pictures without a caption yet are checked without it. Raises
    DataInvalid (65) that names every kind whose action is ``fail``, and what ``between`` raises.
    """
    quality = quality_of(spec)
    asked = Inspection(Path(), quality, limit=limit, between=between)
    found = _found(len(scan.samples), _checked(_CHECKERS[spec.task], scan.samples, asked), quality)
    held_out = bool(spec.evaluation.fraction or spec.evaluation.uri)
    found = replace(found, notes=notes(spec.task, found.num_samples, held_out=held_out, license=spec.data.license))
    _tell(found, quality.checks)
    refuse(found, quality.checks)
    return _without_skipped(scan, found, quality.checks), found


def _checked(check: Checker, samples: Sequence[Any], asked: Inspection) -> list[Finding]:
    """All findings. What is left out for another fault is not the one of several doubles that stays."""
    findings = list(check(samples, asked))
    actions = {each.kind: action_of(each.kind, asked.quality.checks) for each in findings}
    doubled = {kind for kind in DOUBLES if actions.get(kind) == "skip"}
    gone = {each.sample for each in findings if each.kind not in doubled and actions[each.kind] == "skip"}
    doubles = {each for each in findings if each.kind in doubled and each.sample not in gone}
    if not gone or not doubles:
        return findings
    checks = Checks(**{key.name: "skip" if key.name in doubled else "off" for key in fields(Checks)})
    only = replace(asked, quality=replace(asked.quality, checks=checks))
    again = check([sample for sample in samples if sample.id not in gone], only)
    return [*(each for each in findings if each not in doubles), *(each for each in again if each.kind in doubled)]


def _found(num_samples: int, findings: Iterable[Finding], quality: Quality) -> Found:
    """The findings that were asked for, in the order in which people count."""
    wanted = {each for each in findings if action_of(each.kind, quality.checks) != "off"}
    ordered = sorted(wanted, key=lambda each: (_natural(each.sample), each.kind, each.detail))
    return Found(num_samples, tuple(ordered))


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that puts ``rows.jsonl:9`` before ``rows.jsonl:10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _inspect_pictures(asked: Inspection) -> Looked:
    listing = list_files(asked.path)
    captions = read_captions(listing.files, asked.metadata, asked.path)
    names = [name for name in listing.files if _suffix(name) in PICTURES.all_suffixes]
    readable = {name: listing.files[name] for name in names if _suffix(name) in PICTURES.suffixes}
    texts, without = _texts(readable, captions, listing.files, PICTURES)

    def findings() -> Iterator[Finding]:
        yield from of_skipped(listing.skipped, "unreadable")
        yield from of_skipped((*captions.skipped, *listed_in_vain(captions, listing.files, PICTURES)), "metadata")
        for name in names:
            if name not in readable:
                yield Finding(name, "unreadable", f"{_suffix(name)} {PICTURES.advice}")
        for name, fault in without.items():
            if not (asked.captioner and isinstance(fault, NoText)):
                yield Finding(name, "no_caption", str(fault))
        yield from _check_pictures(readable, texts, asked)

    return len(names) + len(listing.skipped), findings()


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _texts(
    names: Iterable[str], captions: Captions, files: Mapping[str, Path], kind: Kind
) -> tuple[list[tuple[str, str]], dict[str, BadValue]]:
    """The text of every file, and why it has none."""
    texts: list[tuple[str, str]] = []
    without: dict[str, BadValue] = {}
    for name in names:
        try:
            texts.append((name, text_of(name, captions, files, kind)))
        except BadValue as fault:
            without[name] = fault
    return texts, without


def _check_pictures(files: Mapping[str, Path], texts: Texts, asked: Inspection) -> Iterator[Finding]:
    from loraruner.data.quality.captions import check_captions
    from loraruner.data.quality.pictures import Entry, check_pictures

    entries = [Entry(name, path) for name, path in files.items()]
    min_side = asked.quality.min_side or ImageOptions.resolution
    yield from check_pictures(entries, asked.quality, min_side=min_side, between=asked.between)
    yield from check_captions(texts, asked.quality, *_counter(asked.limit))


def _counter(limit: TokenLimit | None) -> tuple[Callable[[str], int] | None, int]:
    return (limit.count, limit.limit) if limit else (None, 0)


def _check_scanned_pictures(pictures: Sequence[Picture], asked: Inspection) -> Iterator[Finding]:
    texts = [(each.id, each.caption) for each in pictures if each.caption]
    return _check_pictures({each.id: each.path for each in pictures}, texts, asked)


def _inspect_rows(asked: Inspection) -> Looked:
    scan = scan_rows(asked.path)

    def findings() -> Iterator[Finding]:
        yield from of_skipped(scan.skipped, "unreadable")
        yield from _check_rows(scan.samples, asked)

    return len(scan.samples) + len(scan.skipped), findings()


def _check_rows(rows: Sequence[Row], asked: Inspection) -> Iterator[Finding]:
    from loraruner.data.quality.rows import check_rows

    yield from check_rows(rows, asked.quality, *_counter(asked.limit), asked.between)


def _inspect_clips(asked: Inspection) -> Looked:
    """Clips are judged by ``scan_clips``; why it skipped one is told apart here."""
    max_clip_s, split = asked.clips.encoder_frames * FRAME_S, asked.clips.long_clips == "split"
    scan = scan_clips(asked.path, metadata=asked.metadata, max_clip_s=max_clip_s, split=split)
    files = list_files(asked.path, "clips").files
    captions = read_captions(files, asked.metadata, asked.path, CLIPS)
    clips = [bad.name for bad in scan.skipped if bad.name in files and _suffix(bad.name) in CLIPS.suffixes]
    lines = {bad.name for bad in (*captions.skipped, *listed_in_vain(captions, files, CLIPS))}
    kinds = dict.fromkeys(lines, "metadata") | dict.fromkeys(_texts(clips, captions, files, CLIPS)[1], "no_caption")
    findings = (Finding(bad.name, kinds.get(bad.name, "unreadable"), bad.reason) for bad in scan.skipped)
    return len(scan.samples) + sum(bad.name not in lines for bad in scan.skipped), findings


def _check_clips(clips: Sequence[Any], asked: Inspection) -> Iterator[Finding]:
    """Nothing is left to find: a clip that was scanned can be heard."""
    return iter(())


_INSPECTORS: dict[str, Callable[[Inspection], Looked]] = {
    "text-to-image": _inspect_pictures,
    "text-generation": _inspect_rows,
    "automatic-speech-recognition": _inspect_clips,
}
_CHECKERS: dict[str, Checker] = {
    "text-to-image": _check_scanned_pictures,
    "text-generation": _check_rows,
    "automatic-speech-recognition": _check_clips,
}


def _tell(found: Found, checks: Checks) -> None:
    """One line for each kind, with what follows and the first samples."""
    for note in found.notes:
        _LOG.warning(note)
    for kind, count in found.counts().items():
        follows = {"skip": ", left out", "fail": ", which the job does not allow"}.get(action_of(kind, checks), "")
        first = "; ".join(_cut(f"{each.sample} {each.detail}") for each in _first_of(kind, found))
        _LOG.warning("quality: %s: %d of %d samples%s (%s)", kind, count, found.num_samples, follows, first)


def _first_of(kind: str, found: Found) -> list[Finding]:
    """A finding of each of the first samples with that kind."""
    by_sample: dict[str, Finding] = {}
    for each in found.findings:
        if each.kind == kind and len(by_sample) < NUM_SHOWN:
            by_sample.setdefault(each.sample, each)
    return list(by_sample.values())


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def refuse(found: Found, checks: Checks) -> None:
    """Raise DataInvalid (65) that names every kind that was found and must not be there."""
    kinds = {kind: count for kind, count in found.counts().items() if action_of(kind, checks) == "fail"}
    if not kinds:
        return
    told = []
    for kind, count in kinds.items():
        names = [_cut(each.sample) for each in _first_of(kind, found)]
        more = ", ..." if count > len(names) else ""
        told.append(f"{kind}: {count} of {found.num_samples} samples ({', '.join(names)}{more})")
    keys = " and ".join(f"{CHECKS_KEY}.{kind}" for kind in kinds)
    raise DataInvalid(f"$.data.quality: {'; '.join(told)}; mend or remove them, or set {keys} to skip or warn")


def left_out(found: Found | None, spec: Spec) -> str:
    """What the gate did: "3 left out by $.data.quality.checks: near_duplicate 2, blurred 1"; "" where nothing was."""
    if not found:
        return ""
    checks = quality_of(spec).checks
    counts = {kind: count for kind, count in found.counts().items() if action_of(kind, checks) == "skip"}
    samples = {each.sample for each in found.findings if each.kind in counts}
    kinds = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    return f"{len(samples)} left out by {CHECKS_KEY}: {kinds}" if counts else ""


def _without_skipped(scan: Scan[Any], found: Found, checks: Checks) -> Scan[Any]:
    reasons: dict[str, list[str]] = {}
    for each in found.findings:
        if action_of(each.kind, checks) == "skip":
            reasons.setdefault(each.sample, []).append(each.detail)
    kept = tuple(sample for sample in scan.samples if sample.id not in reasons)
    skipped = tuple(Skipped(name, "; ".join(details)) for name, details in reasons.items())
    return Scan(kept, (*scan.skipped, *skipped))
