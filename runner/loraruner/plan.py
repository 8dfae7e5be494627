"""What a job would do and need, told before it is started."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loraruner.data.samples import num_examples
from loraruner.errors import DataInvalid
from loraruner.families.base import Family, Prepared, Runtime, Samples
from loraruner.spec import Spec, to_document

if TYPE_CHECKING:
    from pathlib import Path

    from loraruner.samples import Opened
    from loraruner.training.trial import Cost


@dataclass(frozen=True)
class Few:
    """The cache of some training samples, how many examples it was made of, and the seconds it took."""

    prepared: Prepared
    num_examples: int
    seconds: float

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(path.stat().st_size for path in self.prepared.files.values() if path.is_file())


def prepare_few(spec: Spec, opened: Opened, family: Family, cache: Path, runtime: Runtime) -> Few:
    """Prepare as many samples as a trial needs, and twice as many for as long as none of them is usable.

    Raises what ``Family.prepare`` raises.
    """
    count = spec.training.batch_size * spec.training.gradient_accumulation_steps
    while True:
        train = opened.samples.train[:count]
        started = time.monotonic()
        try:
            prepared = family.prepare(spec, opened.base, Samples(train), cache, runtime)
            return Few(prepared, num_examples(train), time.monotonic() - started)
        except DataInvalid:
            if len(train) == len(opened.samples.train):
                raise
            count *= 2


def describe(spec: Spec, opened: Opened, runtime: Runtime, cost: Cost, few: Few) -> dict[str, Any]:
    """The plan as one JSON object; what ``few`` took is scaled to all samples.

    Times and memory are measured on this machine, with this machine's other load.
    """
    training, samples = spec.training, opened.samples
    batches = -(-num_examples(samples.train) // training.batch_size)
    steps_per_epoch = -(-batches // training.gradient_accumulation_steps)
    steps = training.max_steps or (training.epochs or 0) * steps_per_epoch
    share = num_examples(samples.train + samples.evaluation) / few.num_examples
    return {
        "name": spec.name,
        "task": spec.task,
        "samples": {
            "train": len(samples.train),
            "held_out": len(samples.evaluation),
            "skipped": [asdict(bad) for bad in opened.skipped],
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
            "host_memory_bytes": cost.host_bytes,
            "gpu_memory_bytes": cost.gpu_bytes,
            "cache_bytes": round(few.size_bytes * share),
            "checkpoints_bytes": cost.checkpoint_bytes * (spec.checkpoint.keep + 1),
        },
        "job": to_document(spec),
    }
