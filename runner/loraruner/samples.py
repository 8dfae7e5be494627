"""From staged inputs to a checked base model and the samples of each part."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner import captioning, quality, review
from loraruner.captioning import Captioned, Desk
from loraruner.data.licences import find_licences
from loraruner.data.quality.findings import Found
from loraruner.data.samples import Scan, Skipped, require_usable
from loraruner.data.split import hold_out
from loraruner.families.base import Base, Family, Prepared, Samples
from loraruner.review import Reviewed
from loraruner.spec import Spec

if TYPE_CHECKING:
    from loraruner.stage import Fetched, Staged

_LOG = logging.getLogger(__name__)
SHOWN = 10
Sampled = tuple[Any, ...]


@dataclass(frozen=True)
class Examined:
    """What is known of the training data beside its samples; None where the job or the data have no such part."""

    licences: tuple[str, ...] = ()  # names of the files
    captioned: Captioned | None = None
    review: Reviewed | None = None
    quality: Found | None = None


@dataclass(frozen=True)
class Opened:
    """A base model that the family accepts, and the samples; ``skipped`` are bad ones of all parts."""

    base: Base
    samples: Samples
    skipped: tuple[Skipped, ...]
    examined: Examined = Examined()

    @property
    def left_out(self) -> tuple[Skipped, ...]:
        """The bad samples, and those that people rejected."""
        return self.skipped + (self.examined.review.rejected if self.examined.review else ())


def open_samples(
    spec: Spec,
    staged: Staged,
    family: Family,
    cache: Path,
    between: Callable[[], None] = lambda: None,
    desk: Desk | None = None,
) -> Opened:
    """Check the base, scan the data, caption what has no caption, leave out what is bad, hold out the evaluation share.

    Without a ``desk`` nothing is captioned: samples without a caption keep an empty one. ``between`` is called now and
    then and raises when the run has to stop. Raises DataInvalid (65) for a refused base, no usable sample, more bad
    ones than ``data.max_bad_fraction``, too little review, or what the quality gate refuses.
    """
    family.check_base(staged.base.path)
    base = family.localize(Base(staged.base.path, staged.base.sha256, spec.model.base), cache / "converted")
    scan, examined = _training_data(spec, family, staged, base, between, desk)
    train, skipped = scan.samples, scan.skipped
    evaluation: Sampled = ()
    general: Sampled = ()
    if staged.evaluation and spec.evaluation.uri:
        held_out = _for_evaluation(spec, staged.evaluation)
        evaluation, more = _scan(held_out, family, staged.evaluation, spec.evaluation.uri)
        skipped += more
    elif spec.evaluation.fraction:
        train, evaluation = hold_out(train, spec.evaluation.fraction, spec.training.seed)
        if not evaluation:
            _LOG.warning("$.evaluation.fraction: a single sample can't be divided: none is held out, nothing measured")
    if staged.general and spec.evaluation.general_uri:
        general, more = _scan(spec, family, staged.general, spec.evaluation.general_uri)
        skipped += more
    _LOG.info("%d samples to train on, %d held out, %d skipped", len(train), len(evaluation), len(skipped))
    return Opened(base, Samples(train, evaluation, general), skipped, examined)


def _training_data(
    spec: Spec, family: Family, staged: Staged, base: Base, between: Callable[[], None], desk: Desk | None
) -> tuple[Scan[Any], Examined]:
    """What of the data may be trained on. What refuses it soon comes before what takes long."""
    path, captioned = staged.data.path, None
    scan, reviewed = review.require_reviewed(spec, path, family.scan(spec, path))
    _warn(scan.skipped)
    require_usable(scan, spec.data.max_bad_fraction, spec.data.uri)
    if desk:
        scan, captioned = captioning.caption_missing(spec, scan, desk)
        _warn(captioned.skipped)
    if captioned and captioned.files:  # what people said of them is known only now
        scan, reviewed = review.require_reviewed(spec, path, scan, reviewed.rejected if reviewed else ())
    found = None
    if spec.data.quality:
        limit = family.token_limit(spec, base.path)
        scan, found = quality.gate(spec, scan, limit, captioning.telling("checked", between))
    require_usable(scan, spec.data.max_bad_fraction, spec.data.uri, quality.left_out(found, spec))
    if reviewed and found:
        reviewed = review.of_those_left(spec, reviewed, scan.samples)
    return scan, Examined(find_licences(path), captioned, reviewed, found)


def without_skipped(spec: Spec, opened: Opened, prepared: Prepared) -> Opened:
    """What is left after encoding; raises DataInvalid when too many of all samples are bad, or too few reviewed."""
    if not prepared.skipped:
        return opened
    _warn(prepared.skipped)
    train = _kept(opened.samples.train, prepared, "train")
    evaluation = _kept(opened.samples.evaluation, prepared, "evaluation")
    skipped = opened.skipped + prepared.skipped
    told = quality.left_out(opened.examined.quality, spec)
    require_usable(Scan(train, skipped), spec.data.max_bad_fraction, spec.data.uri, told)
    examined = opened.examined
    if examined.review:
        from_data = train if spec.evaluation.uri else train + evaluation
        examined = replace(examined, review=review.of_those_left(spec, examined.review, from_data))
    samples = replace(opened.samples, train=train, evaluation=evaluation)
    return replace(opened, samples=samples, skipped=skipped, examined=examined)


def _kept(samples: tuple[Any, ...], prepared: Prepared, part: str) -> tuple[Any, ...]:
    ids = frozenset(prepared.ids.get(part, ()))
    return tuple(sample for sample in samples if sample.id in ids)


def _warn(skipped: Sequence[Skipped]) -> None:
    for bad in skipped[:SHOWN]:
        _LOG.warning("skipped %s: %s", bad.name, bad.reason)
    if len(skipped) > SHOWN:
        _LOG.warning("... and %d more; the manifest and loraruner plan name them all", len(skipped) - SHOWN)


def _for_evaluation(spec: Spec, source: Fetched) -> Spec:
    """``data.metadata`` names the held-out set's file too, where it has one of that name; captions are people's."""
    name = spec.data.metadata
    there = name and (source.path / name).exists()
    return replace(spec, data=replace(spec.data, metadata=name if there else None, caption=None))


def _scan(spec: Spec, family: Family, source: Fetched, uri: str) -> tuple[tuple[Any, ...], tuple[Skipped, ...]]:
    scan = family.scan(spec, source.path)
    _warn(scan.skipped)
    require_usable(scan, spec.data.max_bad_fraction, uri)
    return scan.samples, scan.skipped
