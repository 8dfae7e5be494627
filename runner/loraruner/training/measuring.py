"""Measurements on held-out samples while training, and which weights they choose."""

import logging
import math
from collections.abc import Callable

from loraruner.events import Emit, Evaluated
from loraruner.families.base import Trainable
from loraruner.spec import Spec
from loraruner.training.evaluate import Interrupted, evaluate
from loraruner.training.metrics import Metrics
from loraruner.training.monitor.watch import Divergence, Watch
from loraruner.training.selection import beats, keeps_best
from loraruner.training.state import Live

_LOG = logging.getLogger(__name__)


class Measuring:
    """Measures before, after, and every ``evaluation.every_steps``, and keeps the best weights beside the live ones."""

    def __init__(self, spec: Spec, trainable: Trainable, live: Live, watch: Watch, total_steps: int) -> None:
        self._spec, self._trainable, self._live, self._watch = spec, trainable, live, watch
        self._total_steps = total_steps

    @property
    def is_due(self) -> bool:
        """Once a step, also when a resume comes back to it."""
        step, every = self._live.progress.step, self._spec.evaluation.every_steps
        if not (self._trainable.num_evaluation or self._trainable.num_general):
            return False
        due = step in (0, self._total_steps) or (every and step % every == 0)
        return bool(due) and all(each["step"] != step for each in self._live.progress.evaluations)

    def when_due(self, stopped: Callable[[], bool], metrics: Metrics, emit: Emit) -> None:
        """Measure when it is due. Raises Divergence for what is not finite."""
        if not self.is_due:
            return
        training = self._spec.training
        if not self._live.progress.step and self._trainable.num_evaluation:
            _LOG.info("measuring %d held-out samples, as at each evaluation", self._trainable.num_evaluation)

        def between_batches() -> bool:
            self._watch.beat()
            return stopped()

        try:
            measured = evaluate(
                self._trainable, seed=training.seed, batch_size=training.batch_size, stopped=between_batches
            )
        except Interrupted:
            return
        self._record(measured, metrics, emit)

    def _record(self, measured: dict[str, float], metrics: Metrics, emit: Emit) -> None:
        progress = self._live.progress
        for name, value in measured.items():
            if not math.isfinite(value):
                raise Divergence(f"the held-out {name} after step {progress.step} is {value}")
        progress.evaluations.append({"step": progress.step, **measured})
        metrics.write(progress.step, dict(measured), group="evaluation")
        _LOG.info("evaluation after step %d: %s", progress.step, ", ".join(f"{k} {v:.4f}" for k, v in measured.items()))
        if (loss := measured.get("loss")) is not None:
            best = progress.best_evaluation
            progress.best_evaluation = loss if best is None else min(loss, best)
            more = {name: value for name, value in measured.items() if name not in ("loss", "general_loss")}
            emit(Evaluated(progress.step, loss, more))
            self._keep_if_best()
            self._watch.measured(loss)

    def _keep_if_best(self) -> None:
        """Keep the weights of the measurement just made when none since step 0 was better."""
        progress, selected_by = self._live.progress, self._trainable.selected_by
        if not progress.step or not keeps_best(self._spec, self._trainable):
            return
        found = progress.evaluations[-1]
        if beats(found, progress.measured_at(progress.selected_step), selected_by):
            self._live.keep_best()
            _LOG.info("step %d is the best so far: %s %.4f", progress.step, selected_by, found[selected_by])

    def take_best(self) -> None:
        """After the last checkpoint, which holds the live weights: from here on the module has those to publish."""
        progress, selected_by = self._live.progress, self._trainable.selected_by
        self._live.take_best()
        best, last = progress.measured_at(progress.selected_step), progress.measured_at(progress.step)
        if best and last and best is not last:
            facts = (progress.selected_step, selected_by, best[selected_by], progress.step, last[selected_by])
            _LOG.info("publishing the weights of step %d (%s %.4f), not of step %d (%.4f)", *facts)
