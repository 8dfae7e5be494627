"""The tiny Whisper of tests.support.tiny_whisper with LoRA, on pieces whose cache is written straight away."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from loraruner.families.base import Base, Draw, Prepared, Runtime
from loraruner.families.speech import FAMILY
from loraruner.families.speech.encoder import write_audio, write_states
from loraruner.families.speech.items import Item, write_items
from loraruner.families.speech.open_base import load_tokenizer
from loraruner.families.speech.tokens import encode_transcript
from loraruner.families.speech.trainable import SpeechTrainable
from loraruner.spec import Data, Lora, Model, Output, Spec, SpeechOptions

RUNTIME = Runtime(device="cpu", precision="fp32", dtype="float32", num_threads=1)
DRAW = Draw(seed=0, purpose="train", epoch=0, occurrence=0, step=0)
TEXTS = ("Oil it.", "Clamp the spindle first.", "No.", "The tailstock needs oil.", "Wait", "Now", "Turn it", "Stop!")
NUM_FRAMES, WIDTH = 1500, 16
SPEC = Spec(
    name="tiny",
    task="automatic-speech-recognition",
    model=Model(base="hf://org/tiny@main"),
    data=Data(uri="clips"),
    lora=Lora(rank=4, alpha=16.0),
    options=SpeechOptions(language="en", max_new_tokens=8),
    output=Output(uri="out", formats=("peft",)),
)


def spec_with(*, options: dict[str, Any] | None = None, **lora: Any) -> Spec:
    """The job, with other options and another ``spec.lora``."""
    assert isinstance(SPEC.options, SpeechOptions)
    return replace(SPEC, options=replace(SPEC.options, **options or {}), lora=replace(SPEC.lora, **lora))


def prepared(base: Base, cache: Path, *, audio: bool = False, languages: Sequence[str] = ("en",)) -> Prepared:
    """A cache with a piece for each of TEXTS: random states, or a tone each; the first three are held out too."""
    tokenizer = load_tokenizer(base)
    generator = np.random.default_rng(0)
    items = []
    for place, text in enumerate(TEXTS):
        file, language = cache / f"{place}.safetensors", languages[place % len(languages)]
        if audio:
            tone = np.sin(np.arange(8000) * 0.05 * (place + 1)) * (0.3 + 0.2 * np.sin(np.arange(8000) * 0.002))
            write_audio(file, tone.astype(np.float32))
        else:
            numbers = generator.standard_normal((NUM_FRAMES, WIDTH), dtype=np.float32)
            write_states(file, torch.from_numpy(numbers).half())
        labels = encode_transcript(tokenizer, text, language, "transcribe")
        items.append(Item(f"{place}.wav", f"{place}.wav", text, labels, language, "transcribe", file))
    files = {"train": cache / "train.json", "evaluation": cache / "evaluation.json"}
    write_items(files["train"], items)
    write_items(files["evaluation"], items[:3])
    return Prepared(files, {})


def build(spec: Spec, base: Base, cache: Prepared, *, trained: bool = False, **runtime: Any) -> SpeechTrainable:
    """What the family builds; ``trained``: its lora_B are not zero."""
    trainable = FAMILY.build(spec, base, cache, replace(RUNTIME, **runtime))
    assert isinstance(trainable, SpeechTrainable)
    if trained:
        randomise(trainable.module)
    return trainable


def randomise(module: torch.nn.Module) -> None:
    """Give every lora_B the same numbers each time, as if it had been trained."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in sorted(module.named_parameters()):
        if "lora_B" in name:
            parameter.data.normal_(std=0.3, generator=generator)


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Gradients of the trained parameters by name; they are forgotten in the module."""
    found = {name: each.grad.clone() for name, each in module.named_parameters() if each.grad is not None}
    module.zero_grad()
    return found
