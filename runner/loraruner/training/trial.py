"""A few steps on a few samples, thrown away: what a step costs on this machine."""

import statistics
import time
from dataclasses import dataclass

import torch

from loraruner.adapters.inject import lora_layers
from loraruner.families.base import Draw, Trainable
from loraruner.spec import Spec
from loraruner.training.flat import flatten
from loraruner.training.optim import build_optimizer
from loraruner.training.order import Windows
from loraruner.training.runtime import peak_memory
from loraruner.training.selection import keeps_best

TRIAL_STEPS = 3
STATE_COPIES = 3  # a checkpoint holds the weights and AdamW's two moments, all fp32; often the best weights too


@dataclass(frozen=True)
class Cost:
    """Measured on this machine: the median step, the peak memory so far, and what is trained."""

    step_s: float
    host_bytes: int
    gpu_bytes: int
    num_parameters: int
    num_modules: int
    checkpoint_bytes: int


def measure(spec: Spec, trainable: Trainable) -> Cost:
    """Run a few optimiser steps; the module is changed and must not be trained afterwards."""
    flat = flatten(trainable.module)
    optimizer, windows = build_optimizer(flat, spec.training), Windows(trainable, spec.training)
    trainable.module.train()
    times = []
    for step in range(TRIAL_STEPS):
        started = time.perf_counter()
        epoch, window = windows.at(step)
        for indices in window:
            draw = Draw(spec.training.seed, "trial", epoch, 0, step)
            trainable.loss(trainable.collate(indices, draw)).total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    count, memory = flat.numel(), peak_memory()
    return Cost(
        step_s=statistics.median(times),
        host_bytes=memory["host_bytes"],
        gpu_bytes=memory["gpu_bytes"],
        num_parameters=count,
        num_modules=sum(1 for _ in lora_layers(trainable.module)),
        checkpoint_bytes=count * 4 * (STATE_COPIES + keeps_best(spec, trainable)),
    )
