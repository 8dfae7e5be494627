"""What people said of the samples, in the data set's ``review.csv``: rejected ones go, and enough must be accepted."""

import logging
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loraruner.data.review.record import FILE_NAME, Judged, judge, read_record
from loraruner.data.review.verdicts import ACCEPT
from loraruner.data.samples import Picture, Scan, Skipped
from loraruner.errors import DataInvalid
from loraruner.spec import Spec

_LOG = logging.getLogger(__name__)
REJECTED = f"rejected in {FILE_NAME}"
KEY = "$.data.require_review"
NUM_SHOWN = 3
SHOWN_CHARACTERS = 100


@dataclass(frozen=True)
class Reviewed:
    """How many samples people accepted as they are now, which ones they rejected, and the accepted share of the rest.

    ``rejected`` also names files that are no samples any more, because their row was taken out of the metadata.
    """

    accepted: int
    rejected: tuple[Skipped, ...]
    share: float
    ids: frozenset[str] = field(default=frozenset(), compare=False)  # of the accepted ones

    @property
    def facts(self) -> dict[str, int | float]:
        """For the manifest."""
        return {"accepted": self.accepted, "rejected": len(self.rejected), "share": round(self.share, 4)}


def require_reviewed(
    spec: Spec, path: Path, scan: Scan[Any], gone: tuple[Skipped, ...] = ()
) -> tuple[Scan[Any], Reviewed | None]:
    """Leave out what people rejected, and check ``data.require_review``; None where there is no ``review.csv``.

    ``path`` is the data folder, or the one file of rows; ``gone`` was rejected and left out before. What people say of
    pictures that have no caption yet is not known: they may still turn out to be accepted. Raises DataInvalid (65)
    where too few samples are accepted, all are rejected, or one that was reviewed has changed since.
    """
    record = read_record(path)
    if record is None:
        _refuse_unreviewed(spec, path, scan)
        return scan, None
    judged = judge(scan.samples, record)
    kept = Scan(_kept(scan.samples, judged), tuple(bad for bad in scan.skipped if bad.name not in judged.rejected))
    rejected = gone + tuple(Skipped(name, REJECTED) for name in _names(scan) if name in judged.rejected)
    if scan.samples and not kept.samples:
        raise DataInvalid(f"{spec.data.uri}: all samples are {REJECTED}; accept or add some")
    unknown = _uncaptioned(kept)
    _refuse_changed(spec, [name for name in judged.changed if name not in unknown])
    ids = judged.accepted - unknown
    accepted = sum(sample.id in ids for sample in kept.samples)
    in_vain = sum(verdict.verdict == ACCEPT for verdict in record.verdicts) - accepted
    if kept.samples and (accepted + len(unknown)) / len(kept.samples) < spec.data.require_review:
        raise _too_few(spec, kept, accepted, in_vain)
    if not unknown:
        _tell(judged, accepted, len(kept.samples), len(rejected))
    return kept, Reviewed(accepted, rejected, accepted / max(1, len(kept.samples)), ids)


def of_those_left(spec: Spec, reviewed: Reviewed, samples: Sequence[Any]) -> Reviewed:
    """The same for ``samples``, which are those that are left; raises DataInvalid (65) where too few are accepted."""
    left = Scan(tuple(samples), ())
    accepted = sum(sample.id in reviewed.ids for sample in samples)
    if samples and (accepted + len(_uncaptioned(left))) / len(samples) < spec.data.require_review:
        raise _too_few(spec, left, accepted, reviewed.accepted - accepted)
    return replace(reviewed, accepted=accepted, share=accepted / max(1, len(samples)))


def _kept(samples: Sequence[Any], judged: Judged) -> tuple[Any, ...]:
    return tuple(sample for sample in samples if sample.id not in judged.rejected)


def _names(scan: Scan[Any]) -> list[str]:
    """Of all samples, usable or not, each once."""
    return sorted({sample.id for sample in scan.samples} | {bad.name for bad in scan.skipped})


def _refuse_unreviewed(spec: Spec, path: Path, scan: Scan[Any]) -> None:
    if not spec.data.require_review:
        return
    if path.is_file():
        raise DataInvalid(
            f"{KEY}: {spec.data.uri} is one file, and a review lies beside the samples; put the rows and {FILE_NAME} "
            "in one folder and name the folder in $.data.uri"
        )
    if scan.samples:
        raise _too_few(spec, scan, 0)


def _refuse_changed(spec: Spec, changed: Sequence[str]) -> None:
    if not (changed and spec.data.require_review):
        return
    raise DataInvalid(
        f"{KEY}: of what people reviewed in {spec.data.uri}, {_first(changed)} changed since (file or text): "
        f"look at it again with {_command(spec, spec.data.require_review)}"
    )


def _uncaptioned(scan: Scan[Any]) -> frozenset[str]:
    return frozenset(each.id for each in scan.samples if isinstance(each, Picture) and not each.caption)


def _too_few(spec: Spec, scan: Scan[Any], accepted: int, in_vain: int = 0) -> DataInvalid:
    """``in_vain``: how many were accepted and do not count.

    They take places on a sheet of the share that is asked for, so that a larger share is named.
    """
    asked, number = spec.data.require_review, len(scan.samples)
    least = math.ceil(asked * number)
    missing = (least - 1 if (least - 1) / number >= asked else least) - accepted
    share = min(1.0, math.ceil(100 * (accepted + in_vain + missing) / number) / 100) if in_vain else asked
    bare = len(_uncaptioned(scan))
    first = f"{bare} have no caption yet: write some with loraruner data label, then " if bare else ""
    return DataInvalid(
        f"{KEY}: people have accepted {accepted} of {number} samples of {spec.data.uri} "
        f"({_percent(accepted / number)}), and {_percent(asked)} are asked for: {missing} more; "
        f"{first}review them with {_command(spec, share)}"
    )


def _tell(judged: Judged, accepted: int, num_samples: int, num_rejected: int) -> None:
    _LOG.info("reviewed by people: %d of %d samples accepted, %d rejected", accepted, num_samples, num_rejected)
    if judged.changed:
        _LOG.warning("%s changed since they were reviewed: that does not count", _first(judged.changed))


def _first(names: Sequence[str]) -> str:
    shown = ", ".join(name[:SHOWN_CHARACTERS] for name in names[:NUM_SHOWN])
    more = ", ..." if len(names) > NUM_SHOWN else ""
    return f"{len(names)} samples ({shown}{more})" if len(names) > 1 else f"one sample ({shown})"


def _command(spec: Spec, share: float) -> str:
    return f"loraruner data review {shlex.quote(spec.data.uri)} --share {share:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
