"""A summary after every epoch. A step belongs to the epoch whose samples it sees (``order.Windows``)."""

from loraruner.events import EpochDone
from loraruner.training.monitor.state import Watched


def note_step(watched: Watched, loss: float, step_s: float) -> None:
    """Add a step to the epoch under way."""
    watched.epoch_sum += loss
    watched.epoch_steps += 1
    watched.epoch_s += step_s


def close(watched: Watched, step: int, steps_per_epoch: int, total_steps: int) -> EpochDone | None:
    """The summary when ``step`` was the last of an epoch, whose sums then begin anew."""
    if step % steps_per_epoch or not watched.epoch_steps:
        return None
    mean, num_steps, epoch_s = watched.epoch_sum / watched.epoch_steps, watched.epoch_steps, watched.epoch_s
    watched.epoch_sum, watched.epoch_steps, watched.epoch_s = 0.0, 0, 0.0
    eta_s = (total_steps - step) * epoch_s / num_steps
    return EpochDone(step // steps_per_epoch, step, total_steps, mean, epoch_s, eta_s)


def told(summary: EpochDone) -> str:
    """One line for the log."""
    held_out = "" if summary.evaluation_loss is None else f", on held-out samples {summary.evaluation_loss:.4f}"
    return (
        f"epoch {summary.epoch} done, step {summary.step} of {summary.total_steps}: mean loss {summary.loss:.4f}"
        f"{held_out}; {summary.epoch_s:.1f} s, {summary.eta_s:.0f} s left"
    )
