"""What a check of a data set can find, and what is said of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from loraruner.data.samples import Skipped

UNUSABLE = ("unreadable", "no_caption", "metadata")
"""Findings that nothing can be chosen about: such samples are skipped, as ``data.max_bad_fraction`` allows."""


@dataclass(frozen=True, order=True)
class Finding:
    """One fault of one sample.

    ``sample`` is its id, ``kind`` a field of ``spec.model.Checks`` or one of UNUSABLE; ``detail`` goes on after the
    sample's name, as in "is blurred: sharpness 12, at least 60".
    """

    sample: str
    kind: str
    detail: str


@dataclass(frozen=True)
class Found:
    """What the check of one data set found: how many samples it looked at, all findings sorted, advice on the whole."""

    num_samples: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Samples by kind of finding, the most frequent first, then by name."""
        totals = Counter(kind for kind, _ in {(finding.kind, finding.sample) for finding in self.findings})
        return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


def of_skipped(skipped: Iterator[Skipped] | tuple[Skipped, ...], kind: str) -> tuple[Finding, ...]:
    """What a scan skipped, as findings of one kind."""
    return tuple(Finding(bad.name, kind, bad.reason) for bad in skipped)
