"""``pytorch_lora_weights.safetensors`` as diffusers loads it: PEFT names, alpha folded in.

ComfyUI ignores an alpha that stands in the metadata alone, so ``alpha / rank`` is multiplied into ``lora_B`` and alpha
is recorded as the rank: every reader arrives at the trained strength.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from loraruner.adapters.header import sort_header
from loraruner.files import write_bytes

FILE_NAME = "pytorch_lora_weights.safetensors"


def write_diffusers(path: Path, tensors: Mapping[str, Tensor], *, rank: int, alpha: float) -> None:
    """Write LoRA weights of the UNet under ``unet.<path>.lora_A.weight`` with diffusers' adapter metadata.

    Only keys that every peft release knows are recorded: diffusers passes them to ``LoraConfig`` verbatim.
    """
    named = {
        f"unet.{name}": (tensor * (alpha / rank) if name.endswith(".lora_B.weight") else tensor).contiguous()
        for name, tensor in tensors.items()
    }
    targets = sorted({name.rsplit(".", 2)[0] for name in tensors})
    config = {
        "r": rank,
        "lora_alpha": rank,
        "target_modules": targets,
        "rank_pattern": {},
        "alpha_pattern": {},
        "use_dora": False,
        "use_rslora": False,
        "lora_bias": False,
        "bias": "none",
    }
    prefixed = {f"unet.{key}": value for key, value in config.items()}
    metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(prefixed, indent=2, sort_keys=True)}
    write_bytes(path, sort_header(save(named, metadata)))
