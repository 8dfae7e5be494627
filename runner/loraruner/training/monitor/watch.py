"""The monitor of one attempt, as the training loop uses it. All it knows from step to step is in the progress."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from loraruner.events import Emit, EpochDone, Warned
from loraruner.spec import Monitor
from loraruner.training.monitor import epochs, losses, overfitting, plateau
from loraruner.training.monitor.gpu import COOL_LIMIT_S, COOLER_C, GpuReader, GpuWatch
from loraruner.training.monitor.stall import Watchdog
from loraruner.training.signals import StopSignal
from loraruner.training.state import Live

_LOG = logging.getLogger(__name__)
POLL_S = 0.5
EPOCH_LOG_S = 1.0  # an epoch of a few steps is no line of its own
GO_ON = "go on with --continue, or change $.monitor in the job"


class Divergence(Exception):
    """The training is no good any more; the text says what was seen. It is rolled back, or ends as Diverged (79)."""


@dataclass(frozen=True)
class Setting:
    """What the monitor is told of the run: its length in steps, whether a series of measurements is made, its limits.

    ``digest`` tells one ``monitor`` of a job from another; ``continued``: how often people let the run go on.
    """

    options: Monitor
    total_steps: int
    steps_per_epoch: int
    has_series: bool
    digest: str = ""
    continued: int = 0


class Watch:
    """Notes every step and measurement, warns, and says when the run must stop or go back."""

    def __init__(
        self, setting: Setting, live: Live, emit: Emit, stop: StopSignal, gpu: GpuReader | None = None
    ) -> None:
        self._setting, self._live, self._emit, self._stop = setting, live, emit, stop
        self._dog = Watchdog(setting.options.stall_s, self._stalled)
        self._gpu = GpuWatch(gpu, setting.options)
        self._has_cooled = False  # or was waited for as long as it may be
        self._epoch_told_at = -EPOCH_LOG_S
        self.pausing: str | None = None  # why the run must pause after this step

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for a stall, and the GPU, while inside."""
        with ExitStack() as stack:
            stack.enter_context(self._dog)
            stack.enter_context(self._gpu)
            yield

    def beat(self) -> None:
        """Something was finished that is no step; see ``Watchdog.beat``."""
        self._dog.beat()

    def begin(self) -> bool:
        """Before the first step of an attempt: whether people let the run go on, so that its state has changed."""
        progress, setting = self._live.progress, self._setting
        watched = progress.watched
        goes_on = progress.continued != setting.continued  # also where the attempt that was to go on saved nothing
        if watched.paused_by is not None and watched.paused_by == setting.digest and not goes_on:
            self.pausing = watched.paused_why  # it ended before it could say so
            return False
        if watched.paused_by is None and not goes_on:
            return False
        plateau.count_anew(watched, progress.step)
        progress.forgiven_rollbacks, progress.continued = progress.rollbacks, setting.continued
        _LOG.info("an ended run goes on after step %d: its monitor counts anew from here", progress.step)
        return True

    def stepped(self, loss: float, step_s: float) -> None:
        """One step is done. Raises Divergence when the loss has left its trend."""
        options, progress = self._setting.options, self._live.progress
        watched = progress.watched
        self._dog.beat()
        losses.note_loss(watched, loss, options)
        epochs.note_step(watched, loss, step_s)
        if losses.has_spiked(watched, options):
            raise Divergence(
                f"the loss of the {losses.WINDOW} steps up to step {progress.step} is {losses.level(watched):.4g} on "
                f"average, more than {options.spike_factor:g} times its trend of {watched.trend:.4g}"
            )
        if not self._setting.has_series and watched.num_losses >= losses.smoothing_steps(options):
            self._judge_plateau(watched.smooth, "the smoothed training loss")

    def measured(self, loss: float) -> None:
        """The loss on held-out samples; a series where it is measured every so many steps."""
        self._dog.beat()
        if not self._setting.has_series:
            return
        if found := overfitting.judge(self._live.progress.watched, loss, self._setting.options):
            self.warn("overfitting", found)
        self._judge_plateau(loss, "the loss on held-out samples")

    def between_steps(self) -> None:
        """After a step and its measurement: the epoch's summary, news of the GPU, and a pause until it is cooler."""
        progress, setting = self._live.progress, self._setting
        summary = epochs.close(progress.watched, progress.step, setting.steps_per_epoch, setting.total_steps)
        if summary:
            made = (each["loss"] for each in reversed(progress.evaluations) if each["step"] and "loss" in each)
            newest = next(made, None)  # that of the bare base says nothing of an epoch
            self._tell_epoch(replace(summary, evaluation_loss=newest))
        for kind, text in self._gpu.news():
            self.warn(kind, text)
        if setting.options.on_gpu_hot == "cool":
            self._cool()

    def is_calm(self) -> bool:
        """Whether the state as it is may be gone back to."""
        return losses.is_calm(self._live.progress.watched, self._setting.options)

    def warn(self, kind: str, text: str) -> None:
        """Log a warning, tell it, and keep it for the manifest; ``kind`` is one of ``events.WARNINGS``."""
        _LOG.warning("%s: %s", kind, text)
        warning = Warned(kind, text, self._live.progress.step)
        self._live.progress.watched.note(warning)
        self._emit(warning)

    def facts(self) -> dict[str, Any]:
        """What the manifest says of the monitor."""
        progress = self._live.progress
        return {
            "warnings": progress.watched.warnings,
            "rollbacks": progress.rollbacks,
            "learning_rate_factor": progress.learning_rate_factor,
            "gpu": self._gpu.facts(),
        }

    def _judge_plateau(self, value: float, what: str) -> None:
        progress, options = self._live.progress, self._setting.options
        found = plateau.judge(progress.watched, value, progress.step, options) if options.plateau_steps else None
        if found is None:
            return
        self.warn("plateau", f"{what} {found}")
        if options.on_plateau == "pause" and progress.step < self._setting.total_steps:
            self.pausing = f"paused by $.monitor: {what} {found}; nothing is published, its weights are kept; {GO_ON}"
            progress.watched.paused_by, progress.watched.paused_why = self._setting.digest, self.pausing

    def _tell_epoch(self, summary: EpochDone) -> None:
        now = time.monotonic()
        if now - self._epoch_told_at >= EPOCH_LOG_S or summary.step == summary.total_steps:
            self._epoch_told_at = now
            _LOG.info("%s", epochs.told(summary))
        self._emit(summary)

    def _cool(self) -> None:
        """Wait until the GPU is cool, once for each time that it gets hot; a signal ends the wait."""
        if not self._gpu.is_hot or self._has_cooled:
            self._has_cooled = self._has_cooled and self._gpu.is_hot
            return
        _LOG.info("waiting until the GPU is %d C below its limit, at most %.0f s", COOLER_C, COOL_LIMIT_S)
        begun = time.monotonic()
        while self._gpu.is_hot and time.monotonic() - begun < COOL_LIMIT_S and self._stop.received is None:
            self._poll()
        outcome = "still hot" if self._gpu.is_hot else "cooler"
        _LOG.info("going on after %.0f s; the GPU is %s", time.monotonic() - begun, outcome)
        self._has_cooled = True

    def _poll(self) -> None:
        self._dog.beat()
        time.sleep(POLL_S)

    def _stalled(self, silent_s: float) -> None:
        """In the watchdog's thread."""
        progress = self._live.progress
        text = f"no step was finished for {silent_s:.0f} s; the log says what the process is doing"
        warning = Warned("stall", text, progress.step)
        progress.watched.note(warning)
        self._emit(warning)
