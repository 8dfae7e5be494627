"""The training loop of every family: steps, evaluation, checkpoints, and leaving in order."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from loraruner.errors import EnvironmentUnfit, Paused, SpecInvalid
from loraruner.events import Emit, StepDone
from loraruner.families.base import Draw, Runtime, Trainable
from loraruner.spec import Spec
from loraruner.training import rollback
from loraruner.training.flat import clip, flatten
from loraruner.training.grace import Grace
from loraruner.training.measuring import Measuring
from loraruner.training.metrics import Metrics
from loraruner.training.monitor.gpu import GpuReader
from loraruner.training.monitor.watch import Divergence, Setting, Watch
from loraruner.training.optim import build_optimizer, learning_rate
from loraruner.training.order import Windows
from loraruner.training.signals import StopSignal
from loraruner.training.state import LOSS_WINDOW, Live, Place, Progress, Snapshot, seed_everything
from loraruner.training.uploader import Uploader, drain

_LOG = logging.getLogger(__name__)
LOG_EVERY_S = 15.0


@dataclass(frozen=True)
class Surroundings:
    """What the loop reports to and takes its state from."""

    metrics: Metrics
    uploader: Uploader
    stop: StopSignal
    emit: Emit
    identity: dict[str, Any]  # stored in every checkpoint: spec digest, fingerprint, runtime
    grace: Grace
    checkpoint_at: Callable[[Place], Snapshot | None] = lambda place: None  # what a roll-back goes back to
    monitor_digest: str = ""  # tells one ``monitor`` of the job from another
    continued: int = 0  # how often people let the run go on that had ended with 79 or 80
    gpu: GpuReader | None = None


class Loop:
    """One attempt at training; ``run`` returns the progress after the last step and leaves what is published."""

    def __init__(self, spec: Spec, trainable: Trainable, runtime: Runtime, around: Surroundings) -> None:
        self.spec = spec
        self.trainable = trainable
        self.around = around
        self.windows = Windows(trainable, spec.training)
        self.total_steps = self.windows.total_steps
        if spec.training.warmup_steps >= self.total_steps:
            raise SpecInvalid(
                f"$.training.warmup_steps: {spec.training.warmup_steps} is not less than the job's {self.total_steps} "
                "steps: the learning rate would never reach its peak; shorten the warm-up"
            )
        self.flat = flatten(trainable.module)
        optimizer = build_optimizer(self.flat, spec.training)
        scaler = torch.amp.GradScaler(runtime.device, enabled=runtime.precision == "fp16")
        self.live = Live(trainable.module, optimizer, scaler)
        setting = Setting(
            options=spec.monitor,
            total_steps=self.total_steps,
            steps_per_epoch=self.windows.steps_per_epoch,
            has_series=trainable.num_evaluation > 0 and 0 < spec.evaluation.every_steps < self.total_steps,
            digest=around.monitor_digest,
            continued=around.continued,
        )
        self.watch = Watch(setting, self.live, around.emit, around.stop, around.gpu)
        self.measuring = Measuring(spec, trainable, self.live, self.watch, self.total_steps)
        self._initial: Snapshot | None = None  # until there is a later state to go back to
        self._is_left = False  # nothing may be saved any more
        self._is_unsaved = False  # a measurement was made after the resume
        self._saved_at = self._logged_at = time.monotonic()
        self._first_step = 1  # of this attempt; a checkpoint follows it at once

    def run(self, resumed: Snapshot | None) -> Progress:
        """Train to the end. SIGTERM: finish the step, checkpoint, upload, then Preempted (85).

        Raises Diverged (79) when the training is no good any more and no roll-back is left, and Paused (80) when the
        monitor says so; the newest checkpoint stays.
        """
        self.trainable.module.train()
        seed_everything(self.spec.training.seed)
        self._initial = self.live.snapshot(self.around.identity)
        if resumed:
            self.live.restore(resumed)
        progress = self.live.progress
        self._first_step = progress.step + 1
        _LOG.info("training steps %d to %d", progress.step + 1, self.total_steps)
        with self.around.stop.deferred(), self.watch.watching():
            if self.watch.begin() and resumed:
                self._save()
            if not self.watch.pausing:
                self._guarded(self._begin)
            while self._has_more():
                self._guarded(self._train_one)
                self.around.uploader.poll()
            self._leave(resumed)
        self.around.stop.check()
        if self.watch.pausing:
            raise Paused(self.watch.pausing)
        self.measuring.take_best()
        return self.live.progress

    def _has_more(self) -> bool:
        if self._is_left or self.watch.pausing or self.around.stop.received:
            return False
        return self.live.progress.step < self.total_steps

    def _leave(self, resumed: Snapshot | None) -> None:
        progress = self.live.progress
        if self.around.stop.received:
            _LOG.info("%s: saving step %d before the end", self.around.stop.received, progress.step)
        is_new = resumed is None or progress.place > resumed.place
        if progress.step == self.total_steps and not self.measuring.is_due:
            progress.make_anchor()  # nothing can diverge any more: no older checkpoint is kept for it
        if (is_new or self._is_unsaved or self.watch.pausing) and not self._is_left:
            self._save()
        self._drain()

    def _drain(self) -> bool:
        around = self.around
        return drain(around.uploader, around.stop, self.spec.checkpoint.grace_s, self.live.progress.step)

    def _guarded(self, action: Callable[[], None]) -> None:
        """Do it; when it ends in a divergence, go back, and begin from there."""
        try:
            action()
        except Divergence as found:
            if self._roll_back(found):
                self._guarded(self._begin)

    def _roll_back(self, found: Divergence) -> bool:
        """Restore the state that ``Progress.anchor`` names, with a lower learning rate; see ``rollback``.

        False when a signal leaves no time for it: then the next attempt does it. Raises Diverged (79).
        """
        spoiled, options = self.live.progress, self.spec.monitor
        rollback.refuse(found, spoiled, options.max_rollbacks, self.spec.training)
        if not self._drain():
            self._is_left = True
            return False
        place = (spoiled.anchor[0], spoiled.anchor[1])
        state = self.around.checkpoint_at(place) or (self._initial if place == (0, 0) else None)
        if state is None:
            _LOG.error("the checkpoint of step %d, to go back to, is not there any more", place[1])
            raise rollback.ended(found, spoiled, self.spec.training)
        self.live.restore(state)
        assert self.flat.grad is not None
        self.flat.grad.zero_()
        progress = self.live.progress
        rollback.carry(spoiled, progress, options.rollback_factor)
        self.around.metrics.went_back(progress.step)
        self.watch.warn(
            "rollback",
            f"{found}; going back to step {progress.step} with the learning rate x {progress.learning_rate_factor:g}",
        )
        self._save()
        return True

    def _begin(self) -> None:
        """What the state gone on from still owes: its measurement, its epoch's summary, its part in roll-backs."""
        was_due = self.measuring.is_due
        self._measure()
        self._is_unsaved = was_due and not self.measuring.is_due
        if self._becomes_candidate():
            self._save()

    def _measure(self) -> None:
        around = self.around
        self.measuring.when_due(lambda: around.stop.received is not None, around.metrics, around.emit)
        if not self.measuring.is_due:  # else a signal cut it short: both are done after the resume
            self.watch.between_steps()

    def _train_one(self) -> None:
        progress, spec = self.live.progress, self.spec
        started = time.perf_counter()
        epoch, window = self.windows.at(progress.step)
        rate = learning_rate(spec.training, progress.step, self.total_steps) * progress.learning_rate_factor
        try:
            loss, compute_s = self._forward_backward(epoch, window)
            norm = self._update(rate, loss)
        except torch.OutOfMemoryError as error:
            raise EnvironmentUnfit(
                f"out of GPU memory in step {progress.step + 1}: {error}; lower $.training.batch_size and raise "
                "$.training.gradient_accumulation_steps by the same factor, then the resolution"
            ) from error
        step_s = time.perf_counter() - started
        self.around.grace.stepped(step_s)
        self._advance(epoch, sum(map(len, window)), loss, step_s)
        values = {"loss": loss, "learning_rate": rate, "grad_norm": norm}
        times = {"step_s": step_s, "outside_s": step_s - compute_s}
        self.around.metrics.write(progress.step, {"epoch": epoch, **values, **times})
        self.around.emit(StepDone(progress.step, self.total_steps, epoch, loss, rate, step_s))
        self._log_sparsely(loss, step_s)
        self.watch.stepped(loss, step_s)
        self._measure()
        self._save_when_due()

    def _forward_backward(self, epoch: int, window: Sequence[Sequence[int]]) -> tuple[float, float]:
        """Gradients of the window's mean loss; returns that loss and the seconds inside forward and backward.

        Every micro-batch is divided by the weight of the whole window. On a GPU kernels run on after the call returns,
        so there the seconds are those of launching.
        """
        weight = sum(self.trainable.weight(index) for batch in window for index in batch)
        draw = Draw(self.spec.training.seed, "train", epoch, 0, self.live.progress.step)
        total = torch.zeros((), device=self.flat.device)
        compute_s = 0.0
        for indices in window:
            batch = self.trainable.collate(indices, draw)
            begun = time.perf_counter()
            loss = self.trainable.loss(batch).total / weight
            self.live.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            compute_s += time.perf_counter() - begun
            total += loss.detach()
        return total.item(), compute_s

    def _update(self, rate: float, loss: float) -> float:
        """Clip, step, zero; returns the gradient norm before clipping."""
        progress, optimizer, scaler = self.live.progress, self.live.optimizer, self.live.scaler
        if not math.isfinite(loss):
            raise Divergence(f"the loss in step {progress.step + 1} is {loss}")
        scaler.unscale_(optimizer)
        assert self.flat.grad is not None
        norm = clip(self.flat.grad, self.spec.training.max_grad_norm)
        if not math.isfinite(norm) and scaler.get_scale() <= 1.0:  # fp16 may lower its scale first; others have 1
            raise Divergence(f"the gradient norm in step {progress.step + 1} is {norm}")
        for group in optimizer.param_groups:
            group["lr"] = rate
        scaler.step(optimizer)
        scaler.update()
        self.flat.grad.zero_()
        if math.isfinite(norm):
            progress.prove()
            self._initial = self._initial if progress.anchor == [0, 0] else None
        progress.step += 1
        return norm if math.isfinite(norm) else 0.0

    def _advance(self, epoch: int, num_samples: int, loss: float, step_s: float) -> None:
        progress = self.live.progress
        progress.epoch = epoch
        progress.samples_seen += num_samples
        progress.train_s += step_s
        progress.first_losses = [*progress.first_losses, loss][:LOSS_WINDOW]
        progress.last_losses = [*progress.last_losses, loss][-LOSS_WINDOW:]
        progress.best_loss = loss if progress.best_loss is None else min(loss, progress.best_loss)

    def _save_when_due(self) -> None:
        """By step multiples, by the clock, and after the attempt's first step; none of them changes the result.

        The first one proves that the store takes checkpoints while nothing is lost yet, and how long that takes.
        """
        checkpoint, step = self.spec.checkpoint, self.live.progress.step
        overdue = checkpoint.every_s and time.monotonic() - self._saved_at >= checkpoint.every_s
        is_due = step % checkpoint.every_steps == 0 or step == self._first_step or overdue
        if self._becomes_candidate() or (is_due and step < self.total_steps):
            self._save()

    def _becomes_candidate(self) -> bool:
        """Whether a roll-back may come back to this state: a step multiple, measured, calm. The clock has no say."""
        progress = self.live.progress
        if progress.step % self.spec.checkpoint.every_steps or not 0 < progress.step < self.total_steps:
            return False
        if progress.candidate_step == progress.step or progress.place == tuple(progress.anchor):
            return False
        if self.measuring.is_due or not self.watch.is_calm():
            return False
        progress.candidate_step = progress.step
        return True

    def _save(self) -> None:
        started = time.perf_counter()
        self.around.metrics.flush()
        snapshot = self.live.snapshot(self.around.identity)
        self.around.grace.copied(time.perf_counter() - started)
        self.around.uploader.submit(snapshot)
        self.watch.beat()
        self._saved_at = time.monotonic()

    def _log_sparsely(self, loss: float, step_s: float) -> None:
        if time.monotonic() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = time.monotonic()
            _LOG.info(
                "step %d of %d: loss %.4f, %.3f s a step", self.live.progress.step, self.total_steps, loss, step_s
            )
