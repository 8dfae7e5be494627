"""Held-out loss with fixed noise: the same samples, the same random numbers, at every step that asks."""

import torch

from loraruner.families.base import Draw, Trainable


def evaluate(trainable: Trainable, *, seed: int, batch_size: int) -> dict[str, float]:
    """Mean loss on the held-out part (``loss``) and on general text (``general_loss``), where they exist.

    Draws nothing from the global random state and leaves the module in training mode.
    """
    measured: dict[str, float] = {}
    trainable.module.eval()
    with torch.inference_mode():
        for part, key, count in (
            ("evaluation", "loss", trainable.num_evaluation),
            ("general", "general_loss", trainable.num_general),
        ):
            if count:
                measured[key] = _mean_loss(trainable, part, count, seed=seed, batch_size=batch_size)
    trainable.module.train()
    return measured


def _mean_loss(trainable: Trainable, part: str, count: int, *, seed: int, batch_size: int) -> float:
    total = weight = 0.0
    for occurrence in range(trainable.evaluation_repeats):
        draw = Draw(seed=seed, purpose="evaluation", epoch=0, occurrence=occurrence, step=0)
        for start in range(0, count, batch_size):
            indices = range(start, min(start + batch_size, count))
            loss = trainable.loss(trainable.collate(list(indices), draw, part))
            total += loss.total.item()
            weight += loss.weight
    return total / weight
