"""AdamW on the LoRA weights and the learning rate as a pure function of the step."""

import math

import torch

from loraruner.spec import Training


def build_optimizer(flat: torch.nn.Parameter, training: Training) -> torch.optim.AdamW:
    """Fused AdamW (1711.05101) on the flat weights; its learning rate is set at every step."""
    return torch.optim.AdamW(
        [flat], lr=training.learning_rate, weight_decay=training.weight_decay, betas=(0.9, 0.999), fused=True
    )


def learning_rate(training: Training, step: int, total_steps: int) -> float:
    """Rate of the 0-based ``step``: linear warm-up over ``warmup_steps``, then constant, linear or cosine to zero."""
    if step < training.warmup_steps:
        return training.learning_rate * (step + 1) / training.warmup_steps
    if training.lr_scheduler == "constant":
        return training.learning_rate
    done = (step - training.warmup_steps) / max(1, total_steps - training.warmup_steps)
    share = 1.0 - done if training.lr_scheduler == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
    return training.learning_rate * share
