"""From staged inputs to a checked base model and the samples of each part."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner.data.samples import Scan, Skipped, require_usable
from loraruner.data.split import hold_out
from loraruner.families.base import Base, Family, Prepared, Samples
from loraruner.spec import Spec

if TYPE_CHECKING:
    from loraruner.stage import Fetched, Staged

_LOG = logging.getLogger(__name__)
SHOWN = 10


@dataclass(frozen=True)
class Opened:
    """A base model that the family accepts, and the samples; ``skipped`` are bad ones of all parts."""

    base: Base
    samples: Samples
    skipped: tuple[Skipped, ...]


def open_samples(spec: Spec, staged: Staged, family: Family, cache: Path) -> Opened:
    """Check the base, scan the data, hold out the evaluation share.

    Raises DataInvalid (65) for a refused base, no usable sample, or more bad ones than ``data.max_bad_fraction``.
    """
    family.check_base(staged.base.path)
    base = family.localize(Base(staged.base.path, staged.base.sha256, spec.model.base), cache / "converted")
    train, skipped = _scan(spec, family, staged.data, spec.data.uri)
    evaluation, general = (), ()
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
    return Opened(base, Samples(train, evaluation, general), skipped)


def without_skipped(spec: Spec, opened: Opened, prepared: Prepared) -> Opened:
    """What is left after encoding; raises DataInvalid when too large a share of all samples has turned out bad."""
    if not prepared.skipped:
        return opened
    _warn(prepared.skipped)
    train = _kept(opened.samples.train, prepared, "train")
    evaluation = _kept(opened.samples.evaluation, prepared, "evaluation")
    skipped = opened.skipped + prepared.skipped
    require_usable(Scan(train, skipped), spec.data.max_bad_fraction, spec.data.uri)
    return replace(opened, samples=replace(opened.samples, train=train, evaluation=evaluation), skipped=skipped)


def _kept(samples: tuple[Any, ...], prepared: Prepared, part: str) -> tuple[Any, ...]:
    ids = frozenset(prepared.ids.get(part, ()))
    return tuple(sample for sample in samples if sample.id in ids)


def _warn(skipped: Sequence[Skipped]) -> None:
    for bad in skipped[:SHOWN]:
        _LOG.warning("skipped %s: %s", bad.name, bad.reason)
    if len(skipped) > SHOWN:
        _LOG.warning("... and %d more; the manifest and loraruner plan name them all", len(skipped) - SHOWN)


def _for_evaluation(spec: Spec, source: Fetched) -> Spec:
    """``data.metadata`` names the held-out set's file too, where it has one of that name."""
    name = spec.data.metadata
    if name and not (source.path / name).exists():
        return replace(spec, data=replace(spec.data, metadata=None))
    return spec


def _scan(spec: Spec, family: Family, source: Fetched, uri: str) -> tuple[tuple[Any, ...], tuple[Skipped, ...]]:
    scan = family.scan(spec, source.path)
    _warn(scan.skipped)
    require_usable(scan, spec.data.max_bad_fraction, uri)
    return scan.samples, scan.skipped
