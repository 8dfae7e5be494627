"""What a job would do and need, told before it is started."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from loraruner.captioning import Desk, make_captions, with_captions, without_caption
from loraruner.data.samples import num_examples
from loraruner.errors import DataInvalid
from loraruner.families.base import Family, Prepared, Runtime, Samples
from loraruner.spec import Spec, to_document

if TYPE_CHECKING:
    from loraruner.samples import Opened
    from loraruner.training.trial import Cost


@dataclass(frozen=True)
class Few:
    """The cache of some training samples, how many examples it was made of, and the seconds it took.

    ``caption_s``: seconds for the caption of one picture; 0 where no picture needs one.
    """

    prepared: Prepared
    num_examples: int
    seconds: float
    caption_s: float = 0.0

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(path.stat().st_size for path in self.prepared.files.values() if path.is_file())


def prepare_few(
    spec: Spec, opened: Opened, family: Family, cache: Path, runtime: Runtime, desk: Desk | None = None
) -> Few:
    """Prepare as many samples as a trial needs, and twice as many for as long as none of them is usable.

    Of pictures without a caption the captioner at ``desk`` sees these alone, and as many more as fill its batch.
    Raises what ``Family.prepare`` and ``captioning.make_captions`` raise.
    """
    count = spec.training.batch_size * spec.training.gradient_accumulation_steps
    while True:
        train, caption_s = opened.samples.train[:count], 0.0
        try:
            if desk:
                train, caption_s = _caption_few(spec, opened.samples, count, desk)
            started = time.monotonic()
            prepared = family.prepare(spec, opened.base, Samples(train), cache, runtime)
            return Few(prepared, num_examples(train), time.monotonic() - started, caption_s)
        except DataInvalid:
            if count >= len(opened.samples.train):
                raise
            count *= 2


def _caption_few(spec: Spec, samples: Samples, count: int, desk: Desk) -> tuple[tuple[Any, ...], float]:
    """The first ``count`` training samples with captions, and the seconds of one caption (0 where none is missing).

    Captions of an earlier attempt are not used: they would take no time.
    """
    assert spec.data.caption is not None
    train, batch = samples.train[:count], spec.data.caption.batch_size
    num_batches = max(1, -(-len(without_caption(train)) // batch))  # one at least tells how long they take
    few = without_caption(samples.train + samples.evaluation)[: num_batches * batch]
    if not few:
        return train, 0.0
    with TemporaryDirectory() as folder:
        made = make_captions(spec, few, replace(desk, journals=Path(folder)))
    captioned = with_captions(train, made)
    if not captioned:
        raise DataInvalid(f"$.data.caption: {made.model} said nothing about the first {len(few)} pictures")
    return captioned, made.seconds / len(few)


def describe(spec: Spec, opened: Opened, runtime: Runtime, cost: Cost, few: Few) -> dict[str, Any]:
    """The plan as one JSON object; what ``few`` took is scaled to all samples.

    Times and memory are measured on this machine, with this machine's other load.
    """
    training, samples = spec.training, opened.samples
    batches = -(-num_examples(samples.train) // training.batch_size)
    steps_per_epoch = -(-batches // training.gradient_accumulation_steps)
    steps = training.max_steps or (training.epochs or 0) * steps_per_epoch
    share = num_examples(samples.train + samples.evaluation) / few.num_examples
    to_caption = len(without_caption(samples.train + samples.evaluation))
    return {
        "name": spec.name,
        "task": spec.task,
        "samples": {
            "train": len(samples.train),
            "held_out": len(samples.evaluation),
            "skipped": [asdict(bad) for bad in opened.left_out],
            "to_caption": to_caption,
        },
        "steps": steps,
        "steps_per_epoch": steps_per_epoch,
        "samples_per_step": training.batch_size * training.gradient_accumulation_steps,
        "trainable_parameters": cost.num_parameters,
        "trained_modules": cost.num_modules,
        "base_sha256": opened.base.digest,
        "runtime": asdict(runtime),
        "estimate": {
            "step_s": round(cost.step_s, 4),
            "training_s": round(cost.step_s * steps, 1),
            "prepare_s": round(few.seconds * share, 1),
            "caption_s": round(few.caption_s * to_caption, 1),
            "host_memory_bytes": cost.host_bytes,
            "gpu_memory_bytes": cost.gpu_bytes,
            "cache_bytes": round(few.size_bytes * share),
            "checkpoints_bytes": cost.checkpoint_bytes * (spec.checkpoint.keep + 1),
        },
        "job": to_document(spec),
    }
