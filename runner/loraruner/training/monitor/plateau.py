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
    if watched.plateau_told or step - watched.best_step < options.plateau_steps:
        return None
    watched.plateau_told = True
    num_steps = step - watched.best_step
    return (
        f"has not improved for {num_steps} step{'s' * (num_steps != 1)}: {value:.4f} now, {best:.4f} at its best, "
        f"counted from step {watched.best_step}"
    )


def count_anew(watched: Watched, step: int) -> None:
    """People let a paused run go on: it has ``plateau_steps`` steps more to improve on its best."""
    watched.best_step, watched.plateau_told, watched.paused_by = step, False, None
