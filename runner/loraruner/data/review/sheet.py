"""The sheet: one HTML file on which people correct, accept and reject samples; it needs no server and no network."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from loraruner.data.quality.findings import UNUSABLE, Finding, Found
from loraruner.data.review.cards import Shown, card
from loraruner.data.review.media import side_for
from loraruner.data.review.page import Heading, after_samples, before_samples
from loraruner.data.review.record import Record, Reviewable, judge, placed
from loraruner.errors import DataInvalid
from loraruner.files import replacing

MAX_SHOWN = 5000
SPARE_SHARE = 0.25  # of the samples shown: as many more wait to take the place of rejected ones

Between = Callable[[int, int], None]


@dataclass(frozen=True)
class Subject:
    """What is reviewed: a name for the title, all samples, what was found, and what was said of them before."""

    title: str
    samples: Sequence[Reviewable]
    found: Found
    record: Record


@dataclass(frozen=True)
class Sheet:
    """What was written: usable samples in all, those shown at first, the size of the page."""

    num_samples: int
    num_shown: int
    size_bytes: int


def _no_report(done: int, total: int) -> None:
    """Nobody watches."""


def write_sheet(path: Path, subject: Subject, *, share: float, seed: int = 0, between: Between = _no_report) -> Sheet:
    """Write the page with the samples of ``chosen``; those that no scan would use are left out.

    One picture or recording is in memory at a time; ``between`` is told how many of how many are written. Raises
    DataInvalid (65) when no sample is left or more than MAX_SHOWN would be shown.
    """
    samples = usable(subject.samples, subject.found)
    if not samples:
        raise DataInvalid(f"{subject.title}: no sample can be reviewed; loraruner data check says what is wrong")
    judged = judge(samples, subject.record)
    picked, spare = chosen(samples, share, seed, judged.rejected)
    if len(picked) > MAX_SHOWN:
        raise DataInvalid(
            f"{subject.title}: {share:g} of {len(samples):,} samples are {len(picked):,}, and a sheet holds "
            f"{MAX_SHOWN:,}; give --share {MAX_SHOWN / len(samples):.2g} or less"
        )
    shown = _shown((*picked, *spare), subject)
    elsewhere = [len(names - {each.sample.id for each in shown}) for names in (judged.accepted, judged.rejected)]
    unusable = subject.found.num_samples - len({sample.id for sample in samples} | judged.rejected)
    heading = Heading(
        title=subject.title,
        share=share,
        num_samples=len(samples),
        num_unusable=max(0, unusable),
        num_spare=len(spare),
        notes=subject.found.notes,
        elsewhere=(elsewhere[0], elsewhere[1]),
    )
    _write(path, heading, shown, between)
    return Sheet(len(samples), len(picked), path.stat().st_size)


def usable(samples: Sequence[Reviewable], found: Found) -> tuple[Reviewable, ...]:
    """The samples without a finding of UNUSABLE."""
    bad = {finding.sample for finding in found.findings if finding.kind in UNUSABLE}
    return tuple(sample for sample in samples if sample.id not in bad)


def chosen(
    samples: Sequence[Reviewable], share: float, seed: int, rejected: AbstractSet[str] = frozenset()
) -> tuple[tuple[Reviewable, ...], tuple[Reviewable, ...]]:
    """What is shown, in the order of the samples, and what is spare, in the order in which it is taken.

    Samples come by SHA-256 of seed and id: adding some changes nothing in the order of the others, and a larger share
    holds the smaller one. So many are shown that accepting all but the ``rejected`` ones accepts the share of those
    that stay, rounded up, at least one.
    """
    ranked = sorted(samples, key=lambda sample: _rank(seed, sample.id))
    num_staying = sum(sample.id not in rejected for sample in samples)
    wanted = max(1, math.ceil(round(share * num_staying, 6)))
    places = [place for place, sample in enumerate(ranked, start=1) if sample.id not in rejected]
    num_shown = places[wanted - 1] if places else len(ranked)
    num_spare = math.ceil(SPARE_SHARE * num_shown)
    first = {sample.id for sample in ranked[:num_shown]}
    return tuple(each for each in samples if each.id in first), tuple(ranked[num_shown : num_shown + num_spare])


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def _shown(picked: Sequence[Reviewable], subject: Subject) -> list[Shown]:
    findings: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in subject.found.findings:
        findings[finding.sample].append(finding)
    verdicts = subject.record.verdicts
    said = {sample.id: verdicts[place] for place, sample in placed(subject.samples, verdicts).items()}
    return [Shown(sample, tuple(findings[sample.id]), said.get(sample.id)) for sample in picked]


def _write(path: Path, heading: Heading, shown: Sequence[Shown], between: Between) -> None:
    side = side_for(len(shown))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(before_samples(heading, shown))
        for place, each in enumerate(shown):
            stream.write(card(each, place, side) + "\n")
            between(place + 1, len(shown))
        stream.write(after_samples(heading, shown))
