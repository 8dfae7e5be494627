"""``loraruner plan JOB``."""

from typing import Any

import click

from loraruner.cli.context import CliContext
from loraruner.cli.job import job_arguments, read_job
from loraruner.cli.output import emit, format_option, is_table


@click.command()
@job_arguments
@format_option
@click.pass_obj
def plan(context: CliContext, job: str, overrides: tuple[str, ...], format: str | None) -> None:
    """Resolve JOB, count samples, steps and parameters, and estimate time, memory and disk. Trains nothing."""
    from loraruner import pipeline
    from loraruner.spec import load

    environment = context.start()
    found = pipeline.plan(load(read_job(job), overrides=overrides).spec, environment)
    emit(_brief(found) if is_table(format) else found, format=format)


def _brief(plan: dict[str, Any]) -> dict[str, Any]:
    """What a person wants to know before starting; the JSON form has the resolved job too."""
    samples, estimate, runtime = plan["samples"], plan["estimate"], plan["runtime"]
    memory = f"{estimate['host_memory_bytes'] / 1e9:.1f} GB"
    if estimate["gpu_memory_bytes"]:
        memory += f", GPU {estimate['gpu_memory_bytes'] / 1e9:.1f} GB"
    captions = f", {samples['to_caption']} without a caption" if samples["to_caption"] else ""
    captioning = f"{estimate['caption_s']:.0f} s to caption, " if samples["to_caption"] else ""
    disk = (estimate["cache_bytes"] + estimate["checkpoints_bytes"]) / 1e6
    return {
        "job": f"{plan['name']} ({plan['task']})",
        "samples": f"{samples['train']} to train on, {samples['held_out']} held out, {len(samples['skipped'])} skipped"
        + captions,
        "steps": f"{plan['steps']} of {plan['samples_per_step']} samples, {plan['steps_per_epoch']} an epoch",
        "trained": f"{plan['trainable_parameters']:,} parameters in {plan['trained_modules']} layers",
        "runs on": f"{runtime['device']} in {runtime['precision']}, {runtime['num_threads']} CPU threads",
        "time": f"{estimate['training_s']:.0f} s to train ({estimate['step_s']:.3f} s a step), "
        f"{captioning}{estimate['prepare_s']:.0f} s to prepare; measuring and export come on top",
        "memory": memory,
        "disk": f"{disk:.0f} MB for caches and checkpoints",
        "base sha256": plan["base_sha256"],
        **({"skipped": samples["skipped"]} if samples["skipped"] else {}),
    }
