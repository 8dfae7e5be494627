"""The parts of a single Stable Diffusion 1.x file as modules, without any network."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner.errors import DataInvalid
from loraruner.families.diffusion.original_layout import PREFIXES, configs, metadata_of, resource, text_name

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

NUM_POSITIONS = 77


def load_part(part: str, path: Path, dtype: torch.dtype) -> Any:
    """The module of ``part`` in ``dtype``; DataInvalid when a tensor is missing or has another shape."""
    from accelerate import init_empty_weights
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    config = configs(path)[part]
    try:
        with init_empty_weights():
            if part == "text_encoder":
                module = CLIPTextModel(CLIPTextConfig(**config))
            else:
                module = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part].from_config(config)
        missing, unused = module.load_state_dict(_state(part, path, config, dtype), strict=False, assign=True)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise DataInvalid(f"{path}: its {part} cannot be built ({_first_line(error)}); name another file") from error
    if missing:
        raise DataInvalid(
            f"{path}: {len(missing)} tensors of its {part} are missing, first {missing[0]}; fetch a whole checkpoint"
        )
    if unused:
        log.warning("%s: %d tensors of its %s are not used, first %s", path, len(unused), part, unused[0])
    return module.eval()


def load_tokenizer(path: Path) -> Any:
    """CLIP's tokenizer, or the one in the file's metadata when its vocabulary is another."""
    from transformers import CLIPTokenizer

    vocabulary, merges = clip_vocabulary()
    if configs(path)["text_encoder"]["vocab_size"] != len(vocabulary):
        vocabulary, merges = _own_vocabulary(path)
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=NUM_POSITIONS)


def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's 49,408 tokens and 48,894 merges; tokens follow from merges (openai/CLIP simple_tokenizer.py)."""
    from tokenizers.pre_tokenizers import ByteLevel

    lines = resource("merges.txt").splitlines()[1:]
    merges = [(left, right) for left, _, right in (line.partition(" ") for line in lines)]
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(left + right for left, right in merges)]
    return {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}, merges


def _own_vocabulary(path: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Tokens and merges of the tokenizer.json in the metadata."""
    try:
        model = json.loads(metadata_of(path)["loraruner.tokenizer"])["model"]
        merges = [tuple(m.split(" ") if isinstance(m, str) else m) for m in model["merges"]]
        return {str(token): int(i) for token, i in model["vocab"].items()}, [(str(a), str(b)) for a, b in merges]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataInvalid(
            f"{path}: its metadata loraruner.tokenizer is not the tokenizer.json of a CLIP tokenizer; "
            "use the model's diffusers folder instead"
        ) from error


def _state(part: str, path: Path, config: dict[str, Any], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The tensors of one part in ``dtype``, under diffusers' and transformers' names."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
    from safetensors import safe_open

    with safe_open(path, framework="pt") as stream:
        names = [name for name in list(stream.keys()) if name.startswith(PREFIXES[part])]
        tensors = {name: stream.get_tensor(name).to(dtype) for name in names}
    if part == "text_encoder":
        return {text_name(k): v for k, v in tensors.items() if not k.endswith(".position_ids")}
    convert = {"unet": convert_ldm_unet_checkpoint, "vae": convert_ldm_vae_checkpoint}[part]
    state: dict[str, torch.Tensor] = convert(tensors, config)
    return state


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
