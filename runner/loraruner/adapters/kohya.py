"""kohya LoRA files, as A1111, Forge and ComfyUI read them (sd-scripts ``networks/lora.py``; ModelSpec 1.0.1)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from loraruner.adapters.delta import Delta, delta_of
from loraruner.adapters.header import sort_header
from loraruner.errors import IntegrityError
from loraruner.files import write_bytes

UNET_PREFIX = "lora_unet"
LEGACY_HASH_BYTES = slice(0x100000, 0x110000)


def kohya_name(path: str, prefix: str = UNET_PREFIX) -> str:
    """``down_blocks.0.attentions.0...to_q`` -> ``lora_unet_down_blocks_0_attentions_0_..._to_q``."""
    return f"{prefix}_{path.replace('.', '_')}"


def kohya_tensors(tensors: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """LoRA weights under kohya names: ``.lora_down.weight`` is A, ``.lora_up.weight`` is B, ``.alpha`` a scalar."""
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        path, side, _ = name.rsplit(".", 2)
        lora = kohya_name(path)
        named[f"{lora}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"] = tensor.contiguous()
        named[f"{lora}.alpha"] = torch.tensor(alpha, dtype=tensor.dtype)
    return named


def write_kohya(path: Path, tensors: Mapping[str, Tensor], *, alpha: float, metadata: Mapping[str, str]) -> None:
    """Write one kohya file: ``ss_*`` keys of ``metadata`` plus ``sshs_*`` hashes and ``modelspec.hash_sha256``.

    The hashes follow sd-scripts: SHA-256 of all bytes after the header; the legacy hash is taken from the
    serialisation that holds the ``ss_*`` keys alone.
    """
    named = kohya_tensors(tensors, alpha)
    first = save(named, {key: value for key, value in metadata.items() if key.startswith("ss_")})
    content = first[8 + int.from_bytes(first[:8], "little") :]
    digest = hashlib.sha256(content).hexdigest()
    hashes = {
        "sshs_model_hash": digest,
        "sshs_legacy_hash": hashlib.sha256(first[LEGACY_HASH_BYTES]).hexdigest()[:8],
        "modelspec.hash_sha256": f"0x{digest}",
    }
    write_bytes(path, sort_header(save(named, {**metadata, **hashes})))


def kohya_metadata(facts: Mapping[str, object]) -> dict[str, str]:
    """Header values are strings: containers become JSON, None the word ``None`` (as sd-scripts writes them)."""
    return {
        key: value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict | list) else str(value)
        for key, value in facts.items()
    }


def read_kohya_deltas(path: Path, module_paths: Iterable[str]) -> dict[str, Delta]:
    """Weight changes (out, in) by module path, computed as the web UIs do: ``alpha / rank * up @ down``.

    A missing ``.alpha`` means alpha = rank. Raises IntegrityError for a key that belongs to no module, or half
    a pair.
    """
    by_name = {kohya_name(module): module for module in module_paths}
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    names = {key.split(".", 1)[0] for key in tensors}
    if strangers := sorted(names - by_name.keys()):
        raise IntegrityError(f"{path.name}: key {strangers[0]} belongs to no module of the base model")
    deltas: dict[str, Delta] = {}
    for name in sorted(names):
        down, up = tensors.get(f"{name}.lora_down.weight"), tensors.get(f"{name}.lora_up.weight")
        if down is None or up is None:
            raise IntegrityError(f"{path.name}: lora_down or lora_up of {name} is missing")
        rank = down.shape[0]
        alpha = tensors.get(f"{name}.alpha", torch.tensor(float(rank))).item()
        deltas[by_name[name]] = delta_of(up, down, alpha / rank)
    return deltas
