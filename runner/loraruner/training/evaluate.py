"""What is measured on held-out samples: the same samples, the same random numbers, at every step that asks."""

from collections.abc import Callable

import torch

from loraruner.families.base import Draw, Trainable


class Interrupted(Exception):
    """A signal came while evaluating; what was measured so far is dropped and measured again after the resume."""


def evaluate(
    trainable: Trainable, *, seed: int, batch_size: int, stopped: Callable[[], bool] = lambda: False
) -> dict[str, float]:
    """Mean loss on the held-out part (``loss``) and on general text (``general_loss``), where they exist.

    With a held-out part also what ``trainable.measure`` gives. Draws nothing from the global random state and leaves
    the module in training mode. ``stopped`` is asked before every batch; Interrupted is raised when it says yes.
    """
    trainable.module.eval()
    try:
        with torch.no_grad():
            losses = _losses(trainable, seed, batch_size, stopped)
            more = trainable.measure(stopped) if trainable.num_evaluation else {}
    finally:
        trainable.module.train()
    if more is None:
        raise Interrupted
    return {**losses, **more}


def _losses(trainable: Trainable, seed: int, batch_size: int, stopped: Callable[[], bool]) -> dict[str, float]:
    losses: dict[str, float] = {}
    for part, key, count in (
        ("evaluation", "loss", trainable.num_evaluation),
        ("general", "general_loss", trainable.num_general),
    ):
        if count:
            batches = [range(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
            losses[key] = _mean_loss(trainable, part, batches, seed, stopped)
    return losses


def _mean_loss(trainable: Trainable, part: str, batches: list[range], seed: int, stopped: Callable[[], bool]) -> float:
    total = weight = 0.0
    for occurrence in range(trainable.evaluation_repeats):
        draw = Draw(seed=seed, purpose="evaluation", epoch=0, occurrence=occurrence, step=0)
        for indices in batches:
            if stopped():
                raise Interrupted
            loss = trainable.loss(trainable.collate(list(indices), draw, part))
            total += loss.total.item()
            weight += loss.weight
    return total / weight
