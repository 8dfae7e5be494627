"""Which weights are published: those of the last step, or those of the best measurement (ADR 0011)."""

from collections.abc import Mapping

from loraruner.families.base import Trainable
from loraruner.spec import Spec

Measurement = Mapping[str, float]  # "step", "loss", and what else was measured


def keeps_best(spec: Spec, trainable: Trainable) -> bool:
    """Whether ``evaluation.select`` asks for the best measurement's weights; ``auto`` does for more than a loss."""
    select = spec.evaluation.select
    return select == "best" or (select == "auto" and trainable.selected_by != "loss")


def beats(found: Measurement, best: Measurement | None, selected_by: str) -> bool:
    """Whether ``found`` is better: lower in ``selected_by``, then in the loss; of equals the earlier stays."""
    if best is None:
        return True
    return (found[selected_by], found["loss"]) < (best[selected_by], best["loss"])
