"""Writes a diffusers folder as a single Stable Diffusion 1.x file in the original (LDM) layout.

The mapping is written down here a second time, from the other side, so that a fault in what reads it shows.
"""

import json
import re
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

UNET_NAMES = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET_NAMES = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
VAE_ATTENTION_NAMES = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def write_single_file(folder: Path, path: Path, *, with_hints: bool = True) -> None:
    """Write ``folder``'s UNet, VAE and text encoder to ``path``; hints carry what no tensor's shape tells."""
    configs = {part: _json(folder / part / "config.json") for part in ("unet", "vae", "text_encoder")}
    configs["scheduler"] = _json(folder / "scheduler" / "scheduler_config.json")
    tensors = {}
    for part in ("unet", "vae", "text_encoder"):
        stem = "model" if part == "text_encoder" else "diffusion_pytorch_model"
        for name, tensor in load_file(folder / part / f"{stem}.safetensors").items():
            is_projection = part == "vae" and tensor.ndim == 2  # a 1x1 convolution in the original
            value = tensor[:, :, None, None] if is_projection else tensor
            tensors[original_name(part, name, configs[part])] = value.contiguous()
    tokenizer = (folder / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8")
    hints = {"loraruner.config": json.dumps(configs), "loraruner.tokenizer": tokenizer} if with_hints else {}
    save_file(tensors, path, metadata={"format": "pt", **hints})


def original_name(part: str, name: str, config: dict[str, Any]) -> str:
    """The original name of a tensor of ``part``, whose config is ``config``."""
    if part == "unet":
        return "model.diffusion_model." + _unet_name(name, config["layers_per_block"] + 1, config)
    if part == "vae":
        return "first_stage_model." + _vae_name(name, len(config["block_out_channels"]))
    return "cond_stage_model.transformer.text_model." + name.removeprefix("text_model.")


def _unet_name(name: str, per_level: int, config: dict[str, Any]) -> str:
    stem, _, suffix = name.rpartition(".")
    if stem in UNET_NAMES:
        return f"{UNET_NAMES[stem]}.{suffix}"
    if match := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name):
        side, level, kind, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
        if kind == "downsamplers":
            return f"input_blocks.{(level + 1) * per_level}.0.op.{suffix}"
        if kind == "upsamplers":
            attends = config["up_block_types"][level] == "CrossAttnUpBlock2D"
            return f"output_blocks.{(level + 1) * per_level - 1}.{2 if attends else 1}.{rest}"
        block = f"input_blocks.{1 + level * per_level + index}" if side == "down" else ""
        block = block or f"output_blocks.{level * per_level + index}"
        return f"{block}.{_resnet_name('0', rest) if kind == 'resnets' else f'1.{rest}'}"
    match = re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", name)
    assert match, name
    if match[1] == "resnets":
        return "middle_block." + _resnet_name(str(2 * int(match[2])), match[3])
    return f"middle_block.1.{match[3]}"


def _resnet_name(position: str, rest: str) -> str:
    stem, _, suffix = rest.rpartition(".")
    return f"{position}.{RESNET_NAMES[stem]}.{suffix}"


def _vae_name(name: str, num_levels: int) -> str:
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.", lambda m: f"up.{num_levels - 1 - int(m[1])}.block.", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{num_levels - 1 - int(m[1])}.upsample", name)
    if match := re.fullmatch(r"(.+)mid_block\.attentions\.0\.(.+)\.(weight|bias)", name):
        return f"{match[1]}mid.attn_1.{VAE_ATTENTION_NAMES[match[2]]}.{match[3]}"
    return name


def _json(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
