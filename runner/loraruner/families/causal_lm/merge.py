"""Merge an adapter into a causal language model."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from loraruner.adapters.merge import Merged, Whole, merge_adapter
from loraruner.families.base import Base
from loraruner.families.causal_lm.open_base import load_model

PROBE_TOKENS = 64


def merge(base: Base, adapter: Path, folder: Path, dtype: str) -> Merged:
    """Write base and adapter as one Hugging Face folder; raises what ``adapters.merge.merge_adapter`` raises."""

    def open_model(path: Path) -> Any:
        return load_model(Base(path, base.digest, base.uri), device="cpu", dtype="float32")

    return merge_adapter(Whole(base.path, open_model, _logits), adapter, folder, dtype)


@torch.inference_mode()
def _logits(model: Any) -> Tensor:
    """Logits (1, T, V) after tokens from all over the vocabulary."""
    ids = torch.linspace(0, model.config.get_text_config().vocab_size - 1, PROBE_TOKENS).long()[None]  # (1, T)
    logits: Tensor = model(input_ids=ids, use_cache=False).logits.float()
    return logits
