"""One attempt at training a run: resume from the newest good checkpoint, train, keep state in the store."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from safetensors.torch import save

from loraruner.adapters.inject import lora_parameters
from loraruner.disk_guard import DiskGuard
from loraruner.errors import DataInvalid, Diverged, LoraRunerError, Paused
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
from loraruner.training.monitor.nvml import open_reader
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
    monitor_digest: str = ""  # of the job's ``monitor``, which may change from attempt to attempt
    continued: int = 0  # how often people let the run go on that had ended with 79 or 80


@dataclass(frozen=True)
class Trained:
    """A finished training: the live module and what it took."""

    trainable: Trainable
    progress: Progress
    resumed_step: int
    total_steps: int
    num_parameters: int
    monitor: Mapping[str, Any]  # what the manifest says of it


def train(spec: Spec, trainable: Trainable, runtime: Runtime, attempt: Attempt, settings: Settings) -> Trained:
    """Resume as ``checkpoint.resume`` says and train to the end; see ``Loop.run`` for how it may end otherwise."""
    shelf = _shelf(spec, attempt)
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
            around = Surroundings(
                metrics=metrics,
                uploader=uploader,
                stop=attempt.stop,
                emit=attempt.emit,
                identity=attempt.identity,
                grace=grace,
                checkpoint_at=shelf.at,
                monitor_digest=attempt.monitor_digest,
                continued=attempt.continued,
                gpu=open_reader(runtime.device),
            )
            loop = Loop(spec, trainable, runtime, around)
            metrics.thin(loop.total_steps)
            progress = loop.run(_not_beyond(loop.total_steps, resumed))
    except (Diverged, Paused) as ended:
        _keep_weights(shelf, attempt, prefer_best=isinstance(ended, Paused))
        raise
    finally:
        metrics.close()
    num_parameters = sum(parameter.numel() for parameter in lora_parameters(trainable.module).values())
    begun = resumed.step if resumed else 0
    return Trained(trainable, progress, begun, loop.total_steps, num_parameters, loop.watch.facts())


def _shelf(spec: Spec, attempt: Attempt) -> Shelf:
    return Shelf(
        local=attempt.workspace.checkpoints,
        store=attempt.store,
        prefix=attempt.keys.checkpoints,
        epoch=attempt.number,
        keep=spec.checkpoint.keep,
        mark=attempt.mark,
    )


def _not_beyond(total_steps: int, resumed: Snapshot | None) -> Snapshot | None:
    """The same; raises DataInvalid (65) for the checkpoint of a longer job."""
    if resumed and resumed.step > total_steps:
        raise DataInvalid(
            f"$.checkpoint.resume: the checkpoint is at step {resumed.step}, the job ends at step {total_steps}; raise "
            "$.training.epochs or $.training.max_steps"
        )
    return resumed


def _starting_point(spec: Spec, shelf: Shelf, attempt: Attempt, settings: Settings) -> Snapshot | None:
    resume = spec.checkpoint.resume
    if resume == "never":
        return None
    own = shelf.newest()
    if own:
        _LOG.info("resuming after step %d", own.step)
    if own or resume == "auto":
        return own
    foreign = fetch_foreign(open_store(resume, settings), attempt.workspace.checkpoints / "foreign").adopted()
    if {key: foreign.state.get(key) for key in attempt.identity} != attempt.identity:
        _LOG.warning("resume not exact: %s was made by another job, on other inputs or threads", resume)
        foreign = foreign.without_best()
    shelf.commit(foreign)  # a roll-back may come back to it when its address has long been changed or emptied
    return foreign


def _keep_weights(shelf: Shelf, attempt: Attempt, *, prefer_best: bool) -> None:
    """Leave the newest checkpoint's weights where people look for them; a failure must not hide what ended the run.

    ``prefer_best``: those of its best measurement, where it keeps them.
    """
    try:
        if newest := shelf.newest():
            step, weights = newest.best() if prefer_best else (newest.step, newest.adapter)
            attempt.store.write(f"{attempt.keys.adapter}adapter.safetensors", save(weights))
            _LOG.info("weights of step %d kept in %s", step, attempt.keys.adapter)
    except LoraRunerError as error:
        _LOG.warning("the last good weights were not kept apart: %s", error)
