"""A single Stable Diffusion 1.x file in the original layout: its kind, and the configs that fit it. No torch.

The configs of SD 1.5 lie beside this module (``sd1/``). Widths and depths are read from the tensors' shapes.
What no shape tells (heads, norm groups) comes from the file's metadata ``loraruner.config`` (JSON: part ->
settings, only those of ``HINTS``), else from SD 1.5.
"""

import json
from collections.abc import Mapping
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.pretrained.weights import check_safetensors

PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.",
}
# Model kinds that are not SD 1.x, by the start of a tensor name that only they have.
FOREIGN = {
    "conditioner.embedders.": "SDXL",
    "cond_stage_model.model.": "Stable Diffusion 2.x",
    "model.diffusion_model.joint_blocks.": "Stable Diffusion 3",
    "joint_blocks.": "Stable Diffusion 3",
    "model.diffusion_model.double_blocks.": "Flux",
    "double_blocks.": "Flux",
    "model.embed_tokens.": "a language model",
    "model.layers.": "a language model",
    "transformer.h.": "a language model",
    "lora_unet_": "a LoRA adapter",
    "unet.": "a LoRA adapter",
    "down_blocks.": "the UNet of a diffusers folder (name the folder with model_index.json)",
}
HINTS = {
    "unet": ("attention_head_dim", "norm_num_groups"),
    "vae": ("norm_num_groups", "scaling_factor"),
    "text_encoder": ("num_attention_heads", "hidden_act"),
    "scheduler": ("prediction_type",),
}
CLIP_VOCABULARY_SIZE = 49408

Shapes = dict[str, list[int]]


def check(path: Path) -> None:
    """Raise DataInvalid unless ``path`` is a whole SD 1.x checkpoint with a tokenizer we have; no torch."""
    sizes = configs(path)
    vocabulary = sizes["text_encoder"]["vocab_size"]
    if vocabulary != CLIP_VOCABULARY_SIZE and "loraruner.tokenizer" not in metadata_of(path):
        raise DataInvalid(
            f"{path}: its text encoder has {vocabulary} tokens, not CLIP's {CLIP_VOCABULARY_SIZE}, "
            "and the file carries no tokenizer (metadata loraruner.tokenizer); "
            "use the model's diffusers folder instead"
        )


def configs(path: Path) -> dict[str, dict[str, Any]]:
    """The configs of ``unet``, ``vae``, ``text_encoder`` and ``scheduler`` that fit the file's tensors.

    Raises DataInvalid for a damaged file, another kind of model, or one with a part missing.
    """
    if path.suffix.lower() != ".safetensors":
        raise DataInvalid(f"{path}: a single-file base model must be a .safetensors file; convert it or name another")
    shapes = {name: shape for name, (_, shape) in check_safetensors(path).items()}
    _refuse_foreign(path, shapes)
    metadata = metadata_of(path)
    try:
        found = {
            "unet": _unet(shapes),
            "vae": _vae(shapes),
            "text_encoder": _text_encoder(shapes),
            "scheduler": {},
        }
    except (KeyError, IndexError, ValueError) as error:
        fault = f"{error.args[0]} is missing" if isinstance(error, KeyError) else "one has an odd shape"
        raise DataInvalid(
            f"{path}: its tensors do not form a Stable Diffusion 1.x model: {fault}; "
            "fetch it again or name another file"
        ) from error
    if metadata.get("modelspec.prediction_type") == "v":
        found["scheduler"]["prediction_type"] = "v_prediction"
    hints = _hints(path, metadata)
    return {part: template(part) | hints[part] | found[part] for part in found}


def template(part: str) -> dict[str, Any]:
    """SD 1.5's config of ``unet``, ``vae``, ``text_encoder`` or ``scheduler``."""
    config: dict[str, Any] = json.loads(resource(f"{part}.json"))
    return config


def text_name(name: str) -> str:
    """The name in transformers 5, which has no ``text_model.`` level."""
    return name.removeprefix(PREFIXES["text_encoder"]).removeprefix("text_model.")


def metadata_of(path: Path) -> dict[str, str]:
    """The ``__metadata__`` of a safetensors file that was found sound."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as stream:
        return dict(stream.metadata() or {})


def resource(name: str) -> str:
    """The text of a file in ``sd1/``."""
    return resources.files("loraruner.families.diffusion").joinpath("sd1", name).read_text(encoding="utf-8")


def _refuse_foreign(path: Path, shapes: Shapes) -> None:
    for start, kind in FOREIGN.items():
        if any(name.startswith(start) for name in shapes):
            raise DataInvalid(f"{path}: that is {kind}; text-to-image takes Stable Diffusion 1.x for now")
    for part, prefix in PREFIXES.items():
        if not any(name.startswith(prefix) for name in shapes):
            raise DataInvalid(
                f"{path}: it has no {part} (no tensor {prefix}*); text-to-image needs a whole Stable "
                "Diffusion 1.x checkpoint, name another file"
            )
    conv_in = shapes.get("model.diffusion_model.input_blocks.0.0.weight", [0, 4])
    if len(conv_in) > 1 and conv_in[1] != 4:
        raise DataInvalid(
            f"{path}: its UNet takes {conv_in[1]} channels instead of 4, as inpainting models do; "
            "text-to-image takes plain Stable Diffusion 1.x, name another file"
        )


def _unet(shapes: Shapes) -> dict[str, Any]:
    """Levels lie between downsamplers (``op``); each holds the same number of residual blocks."""
    start, end = PREFIXES["unet"] + "input_blocks.", ".0.out_layers.3.weight"
    in_channels = shapes[f"{start}0.0.weight"][1]
    levels: list[list[int]] = [[]]
    for i in count(1):
        if f"{start}{i}.0.op.weight" in shapes:
            levels.append([])
        elif f"{start}{i}{end}" in shapes:
            levels[-1].append(i)
        else:
            break
    attends = [f"{start}{level[0]}.1.proj_in.weight" in shapes for level in levels]
    return {
        "in_channels": in_channels,
        "block_out_channels": [shapes[f"{start}{level[0]}{end}"][0] for level in levels],
        "layers_per_block": len(levels[0]),
        "down_block_types": ["CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)],
        "cross_attention_dim": shapes[f"{PREFIXES['unet']}middle_block.1.transformer_blocks.0.attn2.to_k.weight"][1],
    }


def _vae(shapes: Shapes) -> dict[str, Any]:
    prefix = PREFIXES["vae"]
    blocks = [name for name in shapes if name.startswith(f"{prefix}encoder.down.") and name.endswith(".conv2.weight")]
    num_levels = len({name.split(".")[3] for name in blocks})
    return {
        "block_out_channels": [shapes[f"{prefix}encoder.down.{i}.block.0.conv2.weight"][0] for i in range(num_levels)],
        "layers_per_block": len(blocks) // num_levels if num_levels else 0,
        "down_block_types": ["DownEncoderBlock2D"] * num_levels,
        "up_block_types": ["UpDecoderBlock2D"] * num_levels,
        "latent_channels": shapes[f"{prefix}post_quant_conv.weight"][0],
    }


def _text_encoder(shapes: Shapes) -> dict[str, Any]:
    names = {text_name(name): shape for name, shape in shapes.items() if name.startswith(PREFIXES["text_encoder"])}
    vocabulary, width = names["embeddings.token_embedding.weight"]
    return {
        "vocab_size": vocabulary,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
        "hidden_size": width,
        "projection_dim": width,
        "max_position_embeddings": names["embeddings.position_embedding.weight"][0],
        "num_hidden_layers": sum(name.endswith(".mlp.fc1.weight") for name in names),
        "intermediate_size": names["encoder.layers.0.mlp.fc1.weight"][0],
    }


def _hints(path: Path, metadata: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Allowed settings of the metadata, each of the type that SD 1.5 has there."""
    try:
        given = json.loads(metadata.get("loraruner.config", "{}"))
        hints = {
            part: {key: given[part][key] for key in keys if key in given.get(part, {})} for part, keys in HINTS.items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataInvalid(f"{path}: its metadata loraruner.config is not a JSON object of configs; mend it") from error
    for part, settings in hints.items():
        for key, value in settings.items():
            if type(value) is not type(template(part)[key]) or (not isinstance(value, str) and value <= 0):
                raise DataInvalid(f"{path}: its metadata loraruner.config says {part}.{key} = {value!r}; mend it")
    return hints
