"""The PEFT adapter folder: ``adapter_model.safetensors`` and a minimal ``adapter_config.json``.

Keys are ``base_model.model.`` + module path + ``.lora_A.weight`` | ``.lora_B.weight``, no adapter name.
The config holds only what older versions of PEFT understand too, since they ignore unknown keys, and names
the base by its URI, never by a local path.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack

from safetensors.torch import load_file, save
from torch import Tensor, nn

from loraruner.adapters.compare import low_rank_deltas
from loraruner.adapters.delta import Delta, delta_of
from loraruner.adapters.header import sort_header
from loraruner.adapters.inject import ADAPTER, lora_layers
from loraruner.errors import IntegrityError
from loraruner.files import write_bytes
from loraruner.spec.addresses import HUB_REPOSITORY

WEIGHTS_NAME = "adapter_model.safetensors"
CONFIG_NAME = "adapter_config.json"
PREFIX = "base_model.model."


class PeftFacts(TypedDict):
    """What a PEFT folder says beside its tensors. The trained scale is ``alpha / rank``."""

    rank: int
    alpha: float
    dropout: float
    targets: Sequence[str]  # layer names or paths; a loader matches them as endings of module paths
    base_uri: str
    base_digest: str
    task_type: str | None  # "CAUSAL_LM" for text; None where PEFT has no word for it
    auto_mapping: NotRequired[Mapping[str, str]]  # the base's class and module, where task_type is None
    notes: NotRequired[Mapping[str, str]]  # more metadata of the safetensors header


def write_peft(
    folder: Path, *, tensors: Mapping[str, Tensor], prefix: str = PREFIX, **facts: Unpack[PeftFacts]
) -> None:
    """Write both files; ``tensors`` are keyed by module path. The same arguments give the same bytes."""
    metadata = {"format": "pt", "base_model_sha256": facts["base_digest"], **facts.get("notes", {})}
    named = {prefix + name: tensor.contiguous() for name, tensor in tensors.items()}
    write_bytes(folder / WEIGHTS_NAME, sort_header(save(named, metadata=metadata)))
    config = json.dumps(_config(facts), indent=2, sort_keys=True) + "\n"
    write_bytes(folder / CONFIG_NAME, config.encode())


def read_peft_deltas(folder: Path, *, prefix: str = PREFIX) -> dict[str, Delta]:
    """Weight change by module path that the two files stand for; IntegrityError for a foreign key."""
    config = json.loads((folder / CONFIG_NAME).read_bytes())
    tensors = load_file(folder / WEIGHTS_NAME)
    foreign = sorted(name for name in tensors if not name.startswith(prefix))
    if foreign:
        raise IntegrityError(f"{folder / WEIGHTS_NAME}: {foreign[0]} does not start with {prefix}")
    named = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return low_rank_deltas(named, config["lora_alpha"] / config["r"], name=WEIGHTS_NAME)


def applied_deltas(module: nn.Module) -> dict[str, Delta]:
    """Weight changes that the layers loaded into ``module`` apply, with the scale that PEFT gave each of them.

    PEFT only warns about keys that it did not find or did not use; this is what the model really computes.
    """
    return {
        path: delta_of(layer.lora_B[ADAPTER].weight, layer.lora_A[ADAPTER].weight, layer.scaling[ADAPTER])
        for path, layer in lora_layers(module)
    }


def _config(facts: PeftFacts) -> dict[str, Any]:
    name, revision = _hub_name(facts["base_uri"])
    alpha = facts["alpha"]
    mapping = {"auto_mapping": dict(facts["auto_mapping"])} if "auto_mapping" in facts else {}
    return mapping | {
        "alpha_pattern": {},
        "base_model_name_or_path": name,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": int(alpha) if float(alpha).is_integer() else alpha,
        "lora_dropout": facts["dropout"],
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": facts["rank"],
        "rank_pattern": {},
        "revision": revision,
        "target_modules": sorted(facts["targets"]),
        "task_type": facts["task_type"],
        "use_dora": False,
        "use_rslora": False,
    }


def _hub_name(uri: str) -> tuple[str, str | None]:
    """``hf://org/name@rev`` as the hub's id and revision; any other address, a path in a repository too, as it is."""
    found = HUB_REPOSITORY.fullmatch(uri)
    return (found[1], found[2]) if found else (uri, None)
