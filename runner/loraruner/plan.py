"""What a job would do and need, told before it is started."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from loraruner.families.base import Prepared, Runtime
from loraruner.spec import Spec, to_document

if TYPE_CHECKING:
    from loraruner.samples import Opened
    from loraruner.training.trial import Cost


def few_samples(spec: Spec, opened: Opened) -> int:
    """How many samples a trial needs: one accumulation window."""
    return min(len(opened.samples.train), spec.training.batch_size * spec.training.gradient_accumulation_steps)


def describe(
    spec: Spec, opened: Opened, runtime: Runtime, cost: Cost, prepared: tuple[Prepared, float]
) -> dict[str, Any]:
    """The plan as one JSON object.

    ``prepared`` is the cache made for the trial's samples and the seconds it took; both are scaled to all samples.
    Times and memory are measured on this machine, with this machine's other load.
    """
    training, samples = spec.training, opened.samples
    batches = -(-len(samples.train) // training.batch_size)
    steps_per_epoch = -(-batches // training.gradient_accumulation_steps)
    steps = training.max_steps or (training.epochs or 0) * steps_per_epoch
    share = (len(samples.train) + len(samples.evaluation)) / few_samples(spec, opened)
    cache_bytes = round(sum(path.stat().st_size for path in prepared[0].files.values() if path.is_file()) * share)
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
            "prepare_s": round(prepared[1] * share, 1),
            "host_memory_bytes": cost.host_bytes,
            "gpu_memory_bytes": cost.gpu_bytes,
            "cache_bytes": cache_bytes,
            "checkpoints_bytes": cost.checkpoint_bytes * (spec.checkpoint.keep + 1),
        },
        "job": to_document(spec),
    }
