"""Plateau: the loss has not improved for so many steps."""

from loraruner.spec import Monitor
from loraruner.training.monitor.state import Watched


def judge(watched: Watched, value: float, step: int, options: Monitor) -> str | None:
    """Compare ``value`` with the best before; one sentence when a plateau is found, once until the next improvement.

    Only a fall by the share ``min_improvement`` below the best counts, so that many small ones add up to one.
    """
    best = watched.best
    if best is None or value < best - options.min_improvement * abs(best):
        watched.best, watched.best_step, watched.plateau_told = value, step, False
        return None
    begun = max(watched.best_step, watched.counted_from)
    if watched.plateau_told or step - begun < options.plateau_steps:
        return None
    watched.plateau_told = True
    num_steps = step - begun
    return (
        f"has not improved for {num_steps} step{'s' * (num_steps != 1)}: {value:.4f} now, {best:.4f} to be beaten by "
        f"{options.min_improvement:.3%}, counted from step {begun}"
    )


def count_anew(watched: Watched, step: int) -> None:
    """People let a paused run go on: it has ``plateau_steps`` steps more to improve on its best."""
    watched.counted_from, watched.plateau_told, watched.paused_by = step, False, None
