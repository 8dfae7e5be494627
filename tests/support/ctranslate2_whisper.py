"""A Whisper as CTranslate2 keeps it, written from a Hugging Face folder: the way back of ``examples/dialect``."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

TYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}

Variables = dict[str, np.ndarray]


def model_bin(
    variables: Mapping[str, np.ndarray],
    *,
    aliases: Mapping[str, str] | None = None,
    version: int = 6,
    kind: str = "WhisperSpec",
) -> bytes:
    """The bytes of a ``model.bin``; ``aliases``: other names of variables."""
    parts = [struct.pack("<I", version), _text(kind), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        parts += [_text(name), struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)]
        parts += [struct.pack("<BI", TYPES[str(value.dtype)], value.nbytes), value.tobytes()]
    aliases = aliases or {}
    parts.append(struct.pack("<I", len(aliases)))
    parts += [_text(text) for pair in aliases.items() for text in pair]
    return b"".join(parts)


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def whisper_variables(folder: Path) -> Variables:
    """The weights of a folder in float16, under CTranslate2's names."""
    weights = {name: value.astype(np.float16) for name, value in load_file(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text())
    found: Variables = {"decoder/embeddings/weight": weights["model.decoder.embed_tokens.weight"]}
    for side in ("encoder", "decoder"):
        found[f"{side}/num_heads"] = np.array(config[f"{side}_attention_heads"], np.int16)
        found[f"{side}/position_encodings/encodings"] = weights[f"model.{side}.embed_positions.weight"]
        _both(found, weights, f"{side}/layer_norm", f"model.{side}.layer_norm", ("gamma", "beta"))
        for number in range(config[f"{side}_layers"]):
            _layer(found, weights, f"{side}/layer_{number}", f"model.{side}.layers.{number}")
    for convolution in ("conv1", "conv2"):
        _both(found, weights, f"encoder/{convolution}", f"model.encoder.{convolution}")
    return found


def _layer(found: Variables, weights: Variables, new: str, old: str) -> None:
    _fused(found, weights, f"{new}/self_attention/linear_0", [f"{old}.self_attn.{part}_proj" for part in "qkv"])
    _both(found, weights, f"{new}/self_attention/linear_1", f"{old}.self_attn.out_proj")
    _both(found, weights, f"{new}/self_attention/layer_norm", f"{old}.self_attn_layer_norm", ("gamma", "beta"))
    if new.startswith("decoder"):
        _both(found, weights, f"{new}/attention/linear_0", f"{old}.encoder_attn.q_proj")
        _fused(found, weights, f"{new}/attention/linear_1", [f"{old}.encoder_attn.{part}_proj" for part in "kv"])
        _both(found, weights, f"{new}/attention/linear_2", f"{old}.encoder_attn.out_proj")
        _both(found, weights, f"{new}/attention/layer_norm", f"{old}.encoder_attn_layer_norm", ("gamma", "beta"))
    _both(found, weights, f"{new}/ffn/linear_0", f"{old}.fc1")
    _both(found, weights, f"{new}/ffn/linear_1", f"{old}.fc2")
    _both(found, weights, f"{new}/ffn/layer_norm", f"{old}.final_layer_norm", ("gamma", "beta"))


def _both(
    found: Variables, weights: Variables, new: str, old: str, names: tuple[str, str] = ("weight", "bias")
) -> None:
    found[f"{new}/{names[0]}"], found[f"{new}/{names[1]}"] = weights[f"{old}.weight"], weights[f"{old}.bias"]


def _fused(found: Variables, weights: Variables, new: str, old: list[str]) -> None:
    found[f"{new}/weight"] = np.concatenate([weights[f"{name}.weight"] for name in old])
    none = np.zeros(len(weights[f"{old[0]}.weight"]), np.float16)  # the keys have no bias
    found[f"{new}/bias"] = np.concatenate([weights.get(f"{name}.bias", none) for name in old])


def packaged_files(folder: Path) -> dict[str, bytes]:
    """CTranslate2's ``config.json`` and ``tokenizer.json``, which knows no tokens of time, from a folder's."""
    generation = json.loads((folder / "generation_config.json").read_text())
    settings = {
        "alignment_heads": [[1, 0]],
        "lang_ids": list(generation["lang_to_id"].values()),
        "suppress_ids": generation["suppress_tokens"],
        "suppress_ids_begin": generation["begin_suppress_tokens"],
    }
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["special"]]
    return {"config.json": json.dumps(settings).encode(), "tokenizer.json": json.dumps(tokenizer).encode()}
