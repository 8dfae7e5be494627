"""The pieces of clips as the cache holds them: one JSON index for a part, one safetensors file for a piece. No torch.

A piece's file holds ``states`` (frames, D), the output of the frozen encoder in fp16 or bf16, or ``audio`` (samples,)
float32 at 16 kHz where the encoder has to run in every step.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loraruner.files import write_bytes
from loraruner.spec import Spec, SpeechOptions

FRAME_S = 0.02  # an encoder frame: two hops of 160 samples at 16 kHz


@dataclass(frozen=True)
class Item:
    """One piece of a clip, no longer than the model hears at once."""

    id: str  # the clip's id, with "#2" for the second piece of a long clip
    clip: str  # the clip's id
    transcript: str  # what is said in this piece
    labels: tuple[int, ...]  # language, task, no timestamps, text, end of text; () where nobody knows the text
    language: str | None  # None with an English-only base
    whisper_task: str  # "transcribe" | "translate"
    file: Path


def write_items(path: Path, items: Sequence[Item]) -> None:
    """Write the index of a part; files are named relative to it, so that a cache can be moved."""
    rows = [vars(item) | {"file": item.file.relative_to(path.parent).as_posix()} for item in items]
    write_bytes(path, json.dumps(rows, ensure_ascii=False, indent=1).encode())


def read_items(path: Path) -> tuple[Item, ...]:
    """The pieces of a part, in training order."""
    rows = json.loads(path.read_bytes())
    return tuple(Item(**row | {"labels": tuple(row["labels"]), "file": path.parent / row["file"]}) for row in rows)


def options_of(spec: Spec) -> SpeechOptions:
    """The job's options; the schema ties them to the task."""
    assert isinstance(spec.options, SpeechOptions)
    return spec.options
