"""``loraruner selftest resume JOB`` and ``loraruner selftest store URI``."""

import logging
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from loraruner.cli.context import CliContext
from loraruner.cli.job import job_arguments, read_job
from loraruner.cli.output import emit, format_option, is_table, say


@click.group()
def selftest() -> None:
    """Proofs to run on your own machine."""


@selftest.command(short_help="Prove that JOB resumes bit for bit.")
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


@selftest.command(short_help="Try the store at URI, with planted faults.")
@click.argument("uri")
@click.option("--faults/--no-faults", default=True, show_default=True, help="Whether faults are planted (s3:// alone).")
@click.option(
    "--rate",
    "rates",
    type=click.FloatRange(0, 100, min_open=True),
    multiple=True,
    default=(1, 10, 30),
    show_default=True,
    metavar="PERCENT",
    help="The share of requests that meet a fault; may be given several times.",
)
@click.option("--seed", type=int, help="Choose the same requests again; by default they are random.")
@format_option
@click.pass_obj
def store(
    context: CliContext, uri: str, faults: bool, rates: tuple[float, ...], seed: int | None, format: str | None
) -> None:
    """Try the store at URI: races, files, and faults planted on the way (exit 74 if it fails)."""
    from loraruner.cli.stopping import stopped_in_order
    from loraruner.errors import IntegrityError
    from loraruner.faults import trial
    from loraruner.faults.kinds import KINDS

    settings = context.start()
    seed = random.randrange(2**32) if seed is None else seed
    plan = trial.Plan(kinds=KINDS if faults else (), rates=[rate / 100 for rate in rates], seed=seed)
    with _only_errors_logged(), stopped_in_order("the trial was not finished"):
        result = trial.run(uri, settings, plan, say)
    emit(_summary(result) if is_table(format) else result, format=format)
    if result["wrong"]:
        raise IntegrityError(f"{uri}: {len(result['wrong'])} promises were broken, first {result['wrong'][0]}")


def _summary(result: Mapping[str, Any]) -> dict[str, Any]:
    """For a terminal, where the rows were said one by one."""
    totals = {name: sum(row[name] for row in result["faults"]) for name in ("injected", "operations", "right")}
    refused: Counter[str] = Counter()
    for row in result["faults"]:
        refused.update(row["refused"])
    counts = {**totals, "refused": dict(sorted(refused.items()))} if result["faults"] else {}
    return {
        "store": result["store"],
        "seed": result["seed"],
        **result["capabilities"],
        **counts,
        "wrong": result["wrong"],
    }


@contextmanager
def _only_errors_logged() -> Iterator[None]:
    """Planted faults make hundreds of warnings, each of them expected."""
    logger = logging.getLogger("loraruner.stores")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
