"""The training loss as the monitor sees it: level, trend, and whether it has left the trend for good."""

from statistics import fmean

from loraruner.spec import Monitor
from loraruner.training.monitor.state import Watched

WINDOW = 20  # steps that make the level of now, and that of the beginning
TREND_STEPS = 200
ODD = 5  # of the window, the highest: losses of single samples spread widely, and what has diverged is high throughout
SMOOTHING_SHARE = 4  # the smoothed loss is an average over a quarter of ``plateau_steps``


def smoothing_steps(options: Monitor) -> int:
    """Steps that the smoothed training loss is an average over."""
    return max(1, options.plateau_steps // SMOOTHING_SHARE)


def note_loss(watched: Watched, loss: float, options: Monitor) -> None:
    """Take the loss of one more step; cheap, called in every one."""
    watched.num_losses += 1
    if len(watched.first_losses) < WINDOW:
        watched.first_losses.append(loss)
    watched.recent_losses.append(loss)
    if len(watched.recent_losses) > WINDOW:
        watched.trend = _averaged(
            watched.trend, watched.recent_losses.pop(0), min(watched.num_losses - WINDOW, TREND_STEPS)
        )
    watched.smooth = _averaged(watched.smooth, loss, min(watched.num_losses, smoothing_steps(options)))
    watched.between_sum += loss
    watched.between_steps += 1


def level(watched: Watched, odd: int = ODD) -> float:
    """Mean of the newest losses without the ``odd`` highest: a few odd batches are no divergence."""
    return fmean(sorted(watched.recent_losses)[: max(1, len(watched.recent_losses) - odd)])


def has_spiked(watched: Watched, options: Monitor) -> bool:
    """Whether the loss has risen to ``spike_factor`` times its trend and above what it was in the beginning."""
    return bool(options.spike_factor) and _exceeds(watched, options.spike_factor, ODD)


def is_calm(watched: Watched, options: Monitor) -> bool:
    """Whether a state is good to go back to: not half way to a spike. Doubt is cheap here: one odd loss is left out."""
    half_way = min(options.spike_factor, (1.0 + options.spike_factor) / 2.0)
    return not options.spike_factor or not _exceeds(watched, half_way, 1)


def _exceeds(watched: Watched, factor: float, odd: int) -> bool:
    """Whether the level is above ``factor`` times the trend and above the beginning.

    In most steps a look at the highest loss is enough.
    """
    if watched.num_losses < 2 * WINDOW or max(watched.recent_losses) <= factor * watched.trend:
        return False
    now = level(watched, odd)
    return now > factor * watched.trend and now > fmean(watched.first_losses)


def _averaged(average: float, value: float, num_values: int) -> float:
    """The mean of all values while they are few; with ``num_values`` held constant an exponential average."""
    return average + (value - average) / num_values
