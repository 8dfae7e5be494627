"""Over-fitting: the loss on held-out samples rises while the training loss falls."""

from loraruner.spec import Monitor
from loraruner.training.monitor.state import Watched


def judge(watched: Watched, held_out: float, options: Monitor) -> str | None:
    """Take a measurement of a series; one sentence when there were ``overfit_evaluations`` such in a row.

    The training loss is the mean over the steps between two measurements. A measurement that does not rise, by more
    than the share ``min_improvement``, ends the episode.
    """
    before, earlier = watched.held_out, watched.between_mean
    mean = watched.between_sum / watched.between_steps if watched.between_steps else None
    watched.held_out, watched.between_mean, watched.between_sum, watched.between_steps = held_out, mean, 0.0, 0
    if before is None or held_out <= before * (1 + options.min_improvement):
        watched.rises, watched.overfitting_told = 0, False
        return None
    falls = mean is not None and earlier is not None and mean < earlier
    watched.rises = watched.rises + 1 if falls else 0
    if watched.overfitting_told or not options.overfit_evaluations or watched.rises < options.overfit_evaluations:
        return None
    watched.overfitting_told = True
    return (
        f"the loss on held-out samples has risen {watched.rises} times in a row, to {held_out:.4f}, while the training "
        "loss falls: the adapter learns its samples by heart; train fewer epochs, or set evaluation.select to best"
    )
