"""One attempt at training a run: resume from the newest good checkpoint, train, keep state in the store."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from safetensors.torch import save

from loraruner.adapters.inject import lora_parameters
from loraruner.disk_guard import DiskGuard
from loraruner.errors import DataInvalid, Diverged, LoraRunerError
from loraruner.events import Emit
from loraruner.families.base import Runtime, Trainable
from loraruner.settings import Settings
from loraruner.spec import Spec
from loraruner.stores import open_store
from loraruner.stores.base import Store
from loraruner.training.checkpoints import Shelf, fetch_foreign
from loraruner.training.grace import Grace
from loraruner.training.loop import Loop, Surroundings
from loraruner.training.metrics import Metrics
from loraruner.training.signals import StopSignal
from loraruner.training.state import Progress, Snapshot
from loraruner.training.uploader import Uploader
from loraruner.workspace import RunKeys, Workspace

_LOG = logging.getLogger(__name__)
CHECKPOINTS_AHEAD = 2  # room that there must be for more: beside the old ones here, and in an output on the same disk


@dataclass(frozen=True)
class Attempt:
    """One process of a run: where its state lies and whom it tells."""

    number: int
    workspace: Workspace
    store: Store
    keys: RunKeys
    identity: dict[str, Any]  # stored in checkpoints; another one means that the resume is not exact
    stop: StopSignal
    emit: Emit
    ship_logs: Callable[[], None]
    disks: DiskGuard = field(default_factory=lambda: DiskGuard({}))
    mark: str = ""  # see ``Shelf.mark``


@dataclass(frozen=True)
class Trained:
    """A finished training: the live module and what it took."""

    trainable: Trainable
    progress: Progress
    resumed_step: int
    total_steps: int
    num_parameters: int


def train(spec: Spec, trainable: Trainable, runtime: Runtime, attempt: Attempt, settings: Settings) -> Trained:
    """Resume as ``checkpoint.resume`` says and train to the end; see ``Loop.run`` for how it may end otherwise."""
    shelf = Shelf(
        local=attempt.workspace.checkpoints,
        store=attempt.store,
        prefix=attempt.keys.checkpoints,
        epoch=attempt.number,
        keep=spec.checkpoint.keep,
        mark=attempt.mark,
    )
    resumed = _starting_point(spec, shelf, attempt, settings)
    grace = Grace(spec.checkpoint.grace_s)

    def commit(snapshot: Snapshot) -> None:
        started = time.monotonic()
        attempt.ship_logs()  # first: whoever resumes from this checkpoint has the records of all steps before it
        shelf.commit(snapshot)
        if snapshot.step < loop.total_steps:
            attempt.disks.require(CHECKPOINTS_AHEAD * snapshot.size_bytes, "the next checkpoint")
        grace.committed(time.monotonic() - started)

    metrics = Metrics(attempt.workspace.metrics(attempt.number), attempt.workspace.tensorboard(attempt.number))
    try:
        with Uploader(commit) as uploader:
            around = Surroundings(metrics, uploader, attempt.stop, attempt.emit, attempt.identity, grace)
            loop = Loop(spec, trainable, runtime, around)
            metrics.thin(loop.total_steps)
            if resumed and resumed.step > loop.total_steps:
                raise DataInvalid(
                    f"$.checkpoint.resume: the checkpoint is at step {resumed.step}, the job ends at step "
                    f"{loop.total_steps}; raise $.training.epochs or $.training.max_steps"
                )
            progress = loop.run(resumed)
    except Diverged:
        _keep_last_good(shelf, attempt)
        raise
    finally:
        metrics.close()
    num_parameters = sum(parameter.numel() for parameter in lora_parameters(trainable.module).values())
    return Trained(trainable, progress, resumed.step if resumed else 0, loop.total_steps, num_parameters)


def _starting_point(spec: Spec, shelf: Shelf, attempt: Attempt, settings: Settings) -> Snapshot | None:
    resume = spec.checkpoint.resume
    if resume == "never":
        return None
    own = shelf.newest()
    if own:
        _LOG.info("resuming after step %d", own.step)
    if own or resume == "auto":
        return own
    foreign = fetch_foreign(open_store(resume, settings), attempt.workspace.checkpoints / "foreign")
    if {key: foreign.state.get(key) for key in attempt.identity} != attempt.identity:
        _LOG.warning("resume not exact: %s was made by another job, on other inputs or threads", resume)
        return foreign.without_best()
    return foreign


def _keep_last_good(shelf: Shelf, attempt: Attempt) -> None:
    """Leave the newest checkpoint's adapter where people look for it; a failure must not hide what ended the run."""
    try:
        if good := shelf.newest():
            attempt.store.write(f"{attempt.keys.adapter}adapter.safetensors", save(good.adapter))
            _LOG.info("weights of step %d kept in %s", good.step, attempt.keys.adapter)
    except LoraRunerError as error:
        _LOG.warning("the last good weights were not kept apart: %s", error)
