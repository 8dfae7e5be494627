"""The sizes of a base model from its configuration and the headers of its weights. No torch.

Only bases that the family's ``check_base`` has accepted are read; a size that is missing or odd becomes 0.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from loraruner.advice.facts import PICTURES, SPEECH, TEXT, BaseFacts
from loraruner.families.causal_lm.base_check import find_gguf
from loraruner.families.causal_lm.gguf_header import read_gguf_header
from loraruner.families.diffusion import diffusers_folder, original_layout
from loraruner.families.speech.tokens import GPT2_END
from loraruner.pretrained.hf_folder import CONFIG, read_json
from loraruner.pretrained.weights import check_safetensors

LARGEST = 1 << 24  # of one size: more is a mistake or malice


def read_base(task: str, path: Path) -> BaseFacts:
    """Sizes of the base at ``path``, of the family of ``task``; raises DataInvalid (65) for damaged files."""
    return _READERS[task](path)


def _pictures(path: Path) -> BaseFacts:
    if path.is_dir():
        configs = {part: diffusers_folder.read_config(path / part / "config.json") for part in ("unet", "vae")}
        counts = {part: _count(diffusers_folder.weights_file(path, part)) for part in diffusers_folder.WEIGHTED}
    else:
        configs = original_layout.configs(path)
        counts = {part: _count(path, prefix) for part, prefix in original_layout.PREFIXES.items()}
    channels, levels = configs["unet"].get("block_out_channels"), configs["vae"].get("block_out_channels")
    halvings = len(levels) - 1 if isinstance(levels, list) and len(levels) < 10 else 0
    return BaseFacts(
        parameters=counts["unet"],
        width=_sound(channels[0]) if isinstance(channels, list) and channels else 0,
        helpers=counts["vae"] + counts["text_encoder"],
        resolution=_sound(configs["unet"].get("sample_size")) * 2**halvings // 8 * 8,
    )


def _text(path: Path) -> BaseFacts:
    if gguf := find_gguf(path):
        return _gguf(gguf)
    config = read_json(path / CONFIG)
    inside = config.get("text_config")
    config = inside if isinstance(inside, dict) else config
    return BaseFacts(
        parameters=sum(_count(file) for file in _weights(path)),
        width=_size(config, "hidden_size", "n_embd", "d_model"),
        layers=_size(config, "num_hidden_layers", "n_layer", "num_layers"),
        inner=_size(config, "intermediate_size", "n_inner", "ffn_dim"),
        vocabulary=_size(config, "vocab_size"),
        context=_size(config, "max_position_embeddings", "n_positions", "n_ctx"),
    )


def _gguf(path: Path) -> BaseFacts:
    header = read_gguf_header(path)
    kind = header.metadata.get("general.architecture")
    return BaseFacts(
        parameters=header.num_elements,
        width=_size(header.metadata, f"{kind}.embedding_length"),
        layers=_size(header.metadata, f"{kind}.block_count"),
        inner=_size(header.metadata, f"{kind}.feed_forward_length"),
        vocabulary=_size(header.metadata, "tokenizer.ggml.tokens"),
        context=_size(header.metadata, f"{kind}.context_length"),
    )


def _speech(path: Path) -> BaseFacts:
    config = read_json(path / CONFIG)
    return BaseFacts(
        parameters=sum(_count(file) for file in _weights(path)),
        width=_size(config, "d_model"),
        layers=_size(config, "decoder_layers"),
        vocabulary=_size(config, "vocab_size"),
        english_only=config.get("eos_token_id") == GPT2_END,
    )


def _weights(folder: Path) -> Iterable[Path]:
    """The file that loading takes, else its shards."""
    whole = folder / "model.safetensors"
    return [whole] if whole.exists() else sorted(folder.glob("model-*-of-*.safetensors"))


def _count(file: Path, prefix: str = "") -> int:
    tensors = check_safetensors(file)
    return sum(math.prod(shape) for name, (_, shape) in tensors.items() if name.startswith(prefix))


def _size(config: Mapping[str, Any], *names: str) -> int:
    """The first of these that is a size."""
    return next((size for name in names if (size := _sound(config.get(name)))), 0)


def _sound(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST else 0


_READERS: dict[str, Callable[[Path], BaseFacts]] = {PICTURES: _pictures, TEXT: _text, SPEECH: _speech}
