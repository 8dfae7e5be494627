"""``pytorch_lora_weights.safetensors``: every reader arrives at the trained strength."""

import json
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors import safe_open
from safetensors.torch import load_file

from loraruner.adapters.diffusers_file import FILE_NAME, write_diffusers

TENSORS = {"m.to_out.0.lora_A.weight": torch.ones(2, 3), "m.to_out.0.lora_B.weight": torch.ones(4, 2)}


def test_alpha_is_folded(tmp_path: Path) -> None:
    """alpha / rank is multiplied into B, A is as trained, and the recorded alpha is the rank: the scale is 1."""
    write_diffusers(tmp_path / FILE_NAME, TENSORS, rank=2, alpha=6.0)
    tensors = load_file(tmp_path / FILE_NAME)
    assert set(tensors) == {f"unet.{name}" for name in TENSORS}
    assert (tensors["unet.m.to_out.0.lora_A.weight"] == 1).all()
    assert (tensors["unet.m.to_out.0.lora_B.weight"] == 3).all()
    config = metadata(tmp_path / FILE_NAME)
    assert (config["unet.r"], config["unet.lora_alpha"]) == (2, 2)


def test_the_metadata_is_minimal(tmp_path: Path) -> None:
    """Only what every peft knows is recorded, under the UNet's prefix, and peft takes it as it is."""
    write_diffusers(tmp_path / FILE_NAME, TENSORS, rank=2, alpha=6.0)
    config = {key.removeprefix("unet."): value for key, value in metadata(tmp_path / FILE_NAME).items()}
    assert set(config) == {
        "r",
        "lora_alpha",
        "target_modules",
        "rank_pattern",
        "alpha_pattern",
        "use_dora",
        "use_rslora",
        "lora_bias",
        "bias",
    }
    assert LoraConfig(**config).target_modules == {"m.to_out.0"}


def metadata(path: Path) -> dict[str, object]:
    with safe_open(path, framework="pt") as stream:
        found = stream.metadata()
    assert set(found) == {"format", "lora_adapter_metadata"}
    config: dict[str, object] = json.loads(found["lora_adapter_metadata"])
    return config
