"""The job: hostile JSON in, one frozen ``Spec`` out."""

from loraruner.spec.build import FORMATS, to_document
from loraruner.spec.faults import Fault, JobInvalid
from loraruner.spec.loading import Loaded, load
from loraruner.spec.model import (
    TASKS,
    Checkpoint,
    Data,
    Evaluation,
    ImageOptions,
    Lora,
    Model,
    Monitor,
    Output,
    Sampling,
    Spec,
    SpeechOptions,
    TextOptions,
    Training,
)

__all__ = [
    "FORMATS",
    "TASKS",
    "Checkpoint",
    "Data",
    "Evaluation",
    "Fault",
    "ImageOptions",
    "JobInvalid",
    "Loaded",
    "Lora",
    "Model",
    "Monitor",
    "Output",
    "Sampling",
    "Spec",
    "SpeechOptions",
    "TextOptions",
    "Training",
    "load",
    "to_document",
]
