"""Merge an adapter into a Whisper."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loraruner.adapters.merge import Merged, Whole, merge_adapter
from loraruner.data.audio import SAMPLE_RATE
from loraruner.families.base import Base
from loraruner.families.speech.encoder import log_mel
from loraruner.families.speech.open_base import load_extractor, load_model

PROBE_TOKENS = 32
PROBE_S = 5


def merge(base: Base, adapter: Path, folder: Path, dtype: str) -> Merged:
    """Write base and adapter as one Hugging Face folder; raises what ``adapters.merge.merge_adapter`` raises."""
    features = log_mel(load_extractor(base), _sound())[None]  # (1, num_mel, 3000)

    def open_model(path: Path) -> Any:
        return load_model(Base(path, base.digest, base.uri), device="cpu", dtype="float32")

    @torch.inference_mode()
    def logits(model: Any) -> Tensor:
        """Logits (1, T, V) of encoder and decoder, after tokens from all over the vocabulary."""
        ids = torch.linspace(0, model.config.vocab_size - 1, PROBE_TOKENS).long()[None]  # (1, T)
        output: Tensor = model(input_features=features, decoder_input_ids=ids, use_cache=False).logits.float()
        return output

    return merge_adapter(Whole(base.path, open_model, logits), adapter, folder, dtype)


def _sound() -> Any:
    """Five seconds of a tone that rises and swells, (samples,) float32: every mel band hears something."""
    time = np.arange(PROBE_S * SAMPLE_RATE, dtype=np.float64) / SAMPLE_RATE
    tone = 0.5 * np.sin(2 * np.pi * (100 + 700 * time) * time) * np.sin(np.pi * time) ** 2
    return tone.astype(np.float32)
