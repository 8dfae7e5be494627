"""The training loop of every family: steps, evaluation, checkpoints, and leaving in order."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from loraruner.errors import Diverged, EnvironmentUnfit, SpecInvalid
from loraruner.events import Emit, Evaluated, StepDone
from loraruner.families.base import Draw, Runtime, Trainable
from loraruner.spec import Spec
from loraruner.training.evaluate import Interrupted, evaluate
from loraruner.training.flat import clip, flatten
from loraruner.training.grace import Grace
from loraruner.training.metrics import Metrics
from loraruner.training.optim import build_optimizer, learning_rate
from loraruner.training.order import Windows
from loraruner.training.selection import beats, keeps_best
from loraruner.training.signals import StopSignal
from loraruner.training.state import LOSS_WINDOW, Live, Progress, Snapshot, seed_everything
from loraruner.training.uploader import Uploader

_LOG = logging.getLogger(__name__)
LOG_EVERY_S = 15.0
POLL_S = 0.5


@dataclass(frozen=True)
class Surroundings:
    """What the loop reports to and takes its state from."""

    metrics: Metrics
    uploader: Uploader
    stop: StopSignal
    emit: Emit
    identity: dict[str, Any]  # stored in every checkpoint: spec digest, fingerprint, runtime
    grace: Grace


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
        self._saved_at = self._logged_at = time.monotonic()
        self._first_step = 1  # of this attempt; a checkpoint follows it at once

    def run(self, resumed: Snapshot | None) -> Progress:
        """Train to the end. SIGTERM: finish the step, checkpoint, upload, then Preempted (85).

        Raises Diverged (79) when the loss or gradient is not finite; the checkpoint before it stays the newest.
        """
        self.trainable.module.train()
        seed_everything(self.spec.training.seed)
        if resumed:
            self.live.restore(resumed)
        progress = self.live.progress
        self._first_step = progress.step + 1
        _LOG.info("training steps %d to %d", progress.step + 1, self.total_steps)
        with self.around.stop.deferred():
            self._evaluate_when_due()
            while progress.step < self.total_steps and not self.around.stop.received:
                self._train_one()
                self.around.uploader.poll()
            if self.around.stop.received:
                _LOG.info("%s: saving step %d before the end", self.around.stop.received, progress.step)
            if resumed is None or progress.step > resumed.step:
                self._save()
            self._drain()
        self.around.stop.check()
        self._take_best()
        return progress

    def _drain(self) -> None:
        """Wait for the last upload; after a signal no longer than ``checkpoint.grace_s``."""
        uploader, stop, grace_s = self.around.uploader, self.around.stop, self.spec.checkpoint.grace_s
        while not uploader.flush(POLL_S):
            if stop.age_s() > grace_s:
                _LOG.warning(
                    "the checkpoint of step %d did not reach the store within $.checkpoint.grace_s = %d s; the one "
                    "before it is the newest there",
                    self.live.progress.step,
                    grace_s,
                )
                uploader.give_up()
                return

    def _train_one(self) -> None:
        progress, spec = self.live.progress, self.spec
        started = time.perf_counter()
        epoch, window = self.windows.at(progress.step)
        rate = learning_rate(spec.training, progress.step, self.total_steps)
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
        self._evaluate_when_due()
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
            raise Diverged(self._not_finite(f"loss in step {progress.step + 1}", loss))
        scaler.unscale_(optimizer)
        assert self.flat.grad is not None
        norm = clip(self.flat.grad, self.spec.training.max_grad_norm)
        if not math.isfinite(norm) and scaler.get_scale() <= 1.0:  # fp16 may lower its scale first; others have 1
            raise Diverged(self._not_finite(f"gradient norm in step {progress.step + 1}", norm))
        for group in optimizer.param_groups:
            group["lr"] = rate
        scaler.step(optimizer)
        scaler.update()
        self.flat.grad.zero_()
        progress.step += 1
        return norm if math.isfinite(norm) else 0.0

    def _not_finite(self, what: str, value: float) -> str:
        return (
            f"the {what} is {value}; nothing is published; lower "
            f"$.training.learning_rate ({self.spec.training.learning_rate:g}) or use precision fp32"
        )

    def _advance(self, epoch: int, num_samples: int, loss: float, step_s: float) -> None:
        progress = self.live.progress
        progress.epoch = epoch
        progress.samples_seen += num_samples
        progress.train_s += step_s
        progress.first_losses = [*progress.first_losses, loss][:LOSS_WINDOW]
        progress.last_losses = [*progress.last_losses, loss][-LOSS_WINDOW:]
        progress.best_loss = loss if progress.best_loss is None else min(loss, progress.best_loss)

    def _evaluate_when_due(self) -> None:
        """Before, after, and every ``evaluation.every_steps``; once a step, also when a resume comes back to it."""
        step, every = self.live.progress.step, self.spec.evaluation.every_steps
        due = step in (0, self.total_steps) or (every and step % every == 0)
        if not due or any(each["step"] == step for each in self.live.progress.evaluations):
            return
        training = self.spec.training
        if not step and self.trainable.num_evaluation:
            _LOG.info("measuring %d held-out samples, as at each evaluation", self.trainable.num_evaluation)
        try:
            measured = evaluate(
                self.trainable,
                seed=training.seed,
                batch_size=training.batch_size,
                stopped=lambda: self.around.stop.received is not None,
            )
        except Interrupted:
            return
        if measured:
            self._record(measured)

    def _record(self, measured: dict[str, float]) -> None:
        progress = self.live.progress
        for name, value in measured.items():
            if not math.isfinite(value):
                raise Diverged(self._not_finite(f"held-out {name} after step {progress.step}", value))
        progress.evaluations.append({"step": progress.step, **measured})
        self.around.metrics.write(progress.step, dict(measured), group="evaluation")
        _LOG.info("evaluation after step %d: %s", progress.step, ", ".join(f"{k} {v:.4f}" for k, v in measured.items()))
        if (loss := measured.get("loss")) is not None:
            best = progress.best_evaluation
            progress.best_evaluation = loss if best is None else min(loss, best)
            more = {name: value for name, value in measured.items() if name not in ("loss", "general_loss")}
            self.around.emit(Evaluated(progress.step, loss, more))
            self._keep_if_best()

    def _keep_if_best(self) -> None:
        """Keep the weights of the measurement just made when none since step 0 was better."""
        progress, selected_by = self.live.progress, self.trainable.selected_by
        if not progress.step or not keeps_best(self.spec, self.trainable):
            return
        found = progress.evaluations[-1]
        if beats(found, progress.measured_at(progress.selected_step), selected_by):
            self.live.keep_best()
            _LOG.info("step %d is the best so far: %s %.4f", progress.step, selected_by, found[selected_by])

    def _take_best(self) -> None:
        """After the last checkpoint, which holds the live weights: from here on the module has those to publish."""
        progress, selected_by = self.live.progress, self.trainable.selected_by
        self.live.take_best()
        best, last = progress.measured_at(progress.selected_step), progress.measured_at(progress.step)
        if best and last and best is not last:
            facts = (progress.selected_step, selected_by, best[selected_by], progress.step, last[selected_by])
            _LOG.info("publishing the weights of step %d (%s %.4f), not of step %d (%.4f)", *facts)

    def _save_when_due(self) -> None:
        """By step multiples, by the clock, and after the attempt's first step; none of them changes the result.

        The first one proves that the store takes checkpoints while nothing is lost yet, and how long that takes.
        """
        checkpoint, step = self.spec.checkpoint, self.live.progress.step
        overdue = checkpoint.every_s and time.monotonic() - self._saved_at >= checkpoint.every_s
        if step < self.total_steps and (step % checkpoint.every_steps == 0 or step == self._first_step or overdue):
            self._save()

    def _save(self) -> None:
        started = time.perf_counter()
        self.around.metrics.flush()
        snapshot = self.live.snapshot(self.around.identity)
        self.around.grace.copied(time.perf_counter() - started)
        self.around.uploader.submit(snapshot)
        self._saved_at = time.monotonic()

    def _log_sparsely(self, loss: float, step_s: float) -> None:
        if time.monotonic() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = time.monotonic()
            _LOG.info(
                "step %d of %d: loss %.4f, %.3f s a step", self.live.progress.step, self.total_steps, loss, step_s
            )
