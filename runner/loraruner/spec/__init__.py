"""The job: hostile JSON in, one frozen ``Spec`` out."""

from loraruner.spec.model import (
    TASKS,
    Checkpoint,
    Data,
    Evaluation,
    ImageOptions,
    Lora,
    Model,
    Output,
    Sampling,
    Spec,
    TextOptions,
    Training,
)

__all__ = [
    "TASKS",
    "Checkpoint",
    "Data",
    "Evaluation",
    "ImageOptions",
    "Lora",
    "Model",
    "Output",
    "Sampling",
    "Spec",
    "TextOptions",
    "Training",
]
