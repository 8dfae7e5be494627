"""Back to the last good checkpoint, with a lower learning rate.

Exact, wherever a kill falls: what is gone back to follows from the state alone, so that an attempt which resumes from
a checkpoint of the abandoned way comes to the same end of it, and goes back to the same place. Checkpoints made after
a roll-back have names of their own and rank above those before it.
"""

from loraruner.errors import Diverged
from loraruner.spec import Training
from loraruner.training.monitor.watch import Divergence
from loraruner.training.state import Progress


def refuse(found: Divergence, progress: Progress, max_rollbacks: int, training: Training) -> None:
    """Raise Diverged (79) where a roll-back is not allowed, or leads to where it began."""
    used = progress.rollbacks - progress.forgiven_rollbacks
    if used < max_rollbacks and progress.place != tuple(progress.anchor):
        return
    raise ended(found, progress, training)


def ended(found: Divergence, progress: Progress, training: Training) -> Diverged:
    """The error that ends a run: what was seen, after how many roll-backs, and what to do."""
    times = progress.rollbacks
    factor = progress.learning_rate_factor
    after = f", also after {times} roll-back{'s' * (times > 1)} (learning rate x {factor:g})" if times else ""
    return Diverged(
        f"{found}{after}; nothing is published; lower $.training.learning_rate ({training.learning_rate:g}) or use "
        "precision fp32"
    )


def carry(spoiled: Progress, restored: Progress, factor: float) -> None:
    """Make the state gone back to the beginning of a new way; what counts the whole run goes on."""
    restored.rollbacks = spoiled.rollbacks + 1
    restored.forgiven_rollbacks, restored.continued = spoiled.forgiven_rollbacks, spoiled.continued
    restored.watched.counted_from = spoiled.watched.counted_from
    restored.learning_rate_factor = spoiled.learning_rate_factor * factor
    restored.train_s = spoiled.train_s
    restored.watched.warnings = spoiled.watched.warnings
    restored.make_anchor()
