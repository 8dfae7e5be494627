"""Add an adapter to its base's weights and write the whole model, proven before it gets its name.

The trained change of a weight is ``scale * B @ A`` (LoRA: arXiv 2106.09685). The proof has three parts: every change is
the adapter's to 1e-4, every weight loaded back is the one written, and the model loaded back says on a fixed probe what
base and adapter say, up to rounding; all of it in fp32 on the CPU.
"""

import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import GenerationConfig

from loraruner.adapters.compare import compare_deltas
from loraruner.adapters.delta import Delta
from loraruner.adapters.inject import lora_layers
from loraruner.adapters.peft_folder import WEIGHTS_NAME, applied_deltas, read_peft_deltas
from loraruner.errors import DataInvalid, IntegrityError
from loraruner.files import replacing, require_free
from loraruner.pretrained.loading import with_adapter

EFFECT_SHARE = 1e-4
# Shares of the largest output: what the order of summation changes (1.5e-5 seen in whisper-base), and rounded weights.
SUMMATION, ROUNDINGS = 1e-4, 32
CONFIG, WEIGHTS = "config.json", "model.safetensors"
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # as safetensors and torch name them
# What stands beside the weights of a Hugging Face folder and is copied as it is.
COMPANIONS = (
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
    "merges.txt",
    "normalizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)


@dataclass(frozen=True)
class Whole:
    """A base as its family opens it."""

    folder: Path  # a Hugging Face folder
    open: Callable[[Path], Any]  # a folder as the model that transformers makes of it: fp32, CPU, eval, no dropout
    logits: Callable[[Any], Tensor]  # what a model says to the family's probe, (1, T, V)


@dataclass(frozen=True)
class Merged:
    """What was written: its dtype, and how far its logits on the probe are from those of base and adapter in fp32."""

    dtype: str  # "float32" | "float16" | "bfloat16"
    max_difference: float
    effect: float  # how far base and adapter are from the base alone


def merge_adapter(whole: Whole, adapter: Path, folder: Path, dtype: str = "auto") -> Merged:
    """Write ``W + scale * B @ A`` of every adapted layer, added in fp32, with all the rest into the new ``folder``.

    ``adapter`` is a PEFT folder; ``dtype`` "auto" is the one that most of the base's weights are stored in.
    Raises IntegrityError (74) when the folder, loaded back, does not compute what base and adapter do, DataInvalid when
    a weight is too large for ``dtype``, EnvironmentUnfit (78) when the disk is too small; then nothing is written.
    """
    dtype = stored_dtype(whole.folder) if dtype == "auto" else dtype
    model = whole.open(whole.folder)
    needed_bytes = sum(each.numel() for each in model.parameters()) * getattr(torch, dtype).itemsize
    require_free(folder.parent, needed_bytes, f"the merged model in {dtype}")
    base = whole.logits(model)
    adapted = with_adapter(model, adapter)
    wanted = whole.logits(adapted)
    _merge_layers(adapted.get_base_model(), read_peft_deltas(adapter))
    model = adapted.unload()
    del adapted
    with replacing(folder) as temporary:
        _round(model, getattr(torch, dtype))
        _save(model, whole.folder, temporary, dtype)
        _round(model, torch.float32)
        written = _digests(model)
        del model  # a model of 7 billion weights need not be in memory twice
        loaded = whole.open(temporary)
        _require_same(written, _digests(loaded))
        difference = _compare(whole.logits(loaded), wanted, base, getattr(torch, dtype))
    return Merged(dtype, difference, _distance(wanted, base))


@torch.no_grad()
def _merge_layers(model: nn.Module, deltas: Mapping[str, Delta]) -> None:
    """Add each layer's change in place; IntegrityError unless all of ``deltas`` are added, and nothing else."""
    compare_deltas(deltas, applied_deltas(model), name=WEIGHTS_NAME)
    for path, layer in lora_layers(model):
        kept: Any = layer.get_base_layer()
        before = kept.weight.clone()
        layer.merge(safe_merge=True)
        wanted = deltas[path].dense().T if layer.fan_in_fan_out else deltas[path].dense()
        error = torch.linalg.norm((kept.weight.double() - before) - wanted).item()
        rounding = torch.finfo(before.dtype).eps * torch.linalg.norm(before).item()
        if not error <= EFFECT_SHARE * deltas[path].norm() + rounding:
            raise IntegrityError(f"{path}: its weight with the adapter added is off by {error:.3g}; nothing is written")


def stored_dtype(folder: Path) -> str:
    """The type that most weights of a Hugging Face folder have, among those that a merged model can be written in.

    Weights that lie beside those that are loaded, such as the same in another type, have no say.
    """
    counts: Counter[str] = Counter()
    for file in _weight_files(folder):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - no mapping
                part = weights.get_slice(name)
                counts[DTYPES.get(part.get_dtype(), "float32")] += math.prod(part.get_shape())
    return counts.most_common(1)[0][0]


def _weight_files(folder: Path) -> list[Path]:
    """What transformers loads: the one model file, else the shards of the index."""
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    shards = json.loads((folder / f"{WEIGHTS}.index.json").read_bytes())["weight_map"]
    return [folder / name for name in sorted(set(shards.values()))]


def _round(model: Any, dtype: torch.dtype) -> None:
    """Turn the weights of ``model`` into ``dtype``; buffers that no file has stay as they are."""
    for name, weight in model.named_parameters():
        weight.data = weight.data.to(dtype)
        if not weight.isfinite().all():
            raise DataInvalid(
                f"{name}: holds values too large for {str(dtype).removeprefix('torch.')}; "
                "write the merged model with --dtype bfloat16 or float32"
            )


def _save(model: Any, base: Path, folder: Path, dtype: str) -> None:
    """Weights by transformers; config, generation settings and tokenizer as they stand beside the base's."""
    model.generation_config = GenerationConfig()  # filled up in loading, and saving may refuse what the base has
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((base / CONFIG).read_bytes())  # the model's own says that dropout is off
    config["torch_dtype" if "torch_dtype" in config else "dtype"] = dtype
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    for file in folder.glob("*.safetensors"):  # written for their owner's eyes only
        shutil.copymode(folder / CONFIG, file)
    for name in COMPANIONS:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)


def _digests(model: Any) -> dict[str, str]:
    """SHA-256 of every weight."""
    weights = ((name, weight.detach().contiguous()) for name, weight in model.named_parameters())
    return {name: hashlib.sha256(weight.numpy()).hexdigest() for name, weight in weights}


def _require_same(written: Mapping[str, str], found: Mapping[str, str]) -> None:
    odd = sorted(name for name in written.keys() | found.keys() if written.get(name) != found.get(name))
    if odd:
        raise IntegrityError(f"{odd[0]}: loaded back it is not the weight that was written; nothing is kept, try again")


def _compare(found: Tensor, wanted: Tensor, base: Tensor, dtype: torch.dtype) -> float:
    """Largest |found - wanted|; IntegrityError above 1e-4 of the effect and what rounding to ``dtype`` may change."""
    effect, difference = _distance(wanted, base), _distance(found, wanted)
    rounding = max(SUMMATION, ROUNDINGS * torch.finfo(dtype).eps) * wanted.abs().max().item()
    if not effect > 0.0:
        raise IntegrityError("the adapter changes nothing on the probe, so a merged model could not be proven")
    if not difference <= EFFECT_SHARE * effect + rounding:
        raise IntegrityError(
            f"the merged model's outputs differ from those of base and adapter by {difference:.3g}, where the whole "
            f"effect of the adapter is {effect:.3g} and rounding explains {rounding:.3g}; nothing is written"
        )
    return difference


def _distance(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()
