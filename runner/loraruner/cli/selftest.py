"""``loraruner selftest resume JOB``."""

import random
import tempfile
from pathlib import Path

import click

from loraruner.cli.context import CliContext
from loraruner.cli.job import job_arguments, read_job
from loraruner.cli.output import emit, format_option, say


@click.group()
def selftest() -> None:
    """Proofs to run on your own machine."""


@selftest.command()
@job_arguments
@click.option("--steps", type=click.IntRange(5, 10_000), default=12, show_default=True, help="Steps to train.")
@click.option("--seed", type=int, help="Choose the steps of the interruptions again; by default they are random.")
@format_option
@click.pass_obj
def resume(
    context: CliContext, job: str, overrides: tuple[str, ...], steps: int, seed: int | None, format: str | None
) -> None:
    """Train JOB straight and interrupted, and compare losses and adapters bit for bit (exit 74 if they differ)."""
    from loraruner.selftest import prove_resume
    from loraruner.spec import load

    context.start()
    data = read_job(job)
    load(data, overrides=overrides)
    seed = random.randrange(2**32) if seed is None else seed
    say(f"training {job} four times for up to {steps} steps (seed {seed})")
    with tempfile.TemporaryDirectory(prefix="loraruner-selftest-") as folder:
        copy = Path(folder, "job.json")
        copy.write_bytes(data)
        result = prove_resume(copy, overrides, num_steps=steps, seed=seed, folder=Path(folder))
    say("equal: the interrupted run computed the same losses and the same adapter, bit for bit")
    emit({**result, "seed": seed}, format=format)
