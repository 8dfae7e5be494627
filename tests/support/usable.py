"""Versions of text and speech adapters that work on a tiny base, published without training."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from loraruner import publish, stage
from loraruner.adapters.peft_folder import write_peft
from loraruner.stores import open_store
from tests.support.published import document, settings

RANK, ALPHA = 4, 8.0
LAYERS = re.compile(r"(?P<path>model\.(?:decoder\.)?layers\.\d+\.(?:self|encoder)_attn\.[qv]_proj)\.weight")


def write_adapter(base: Path, folder: Path, *, std: float = 0.4) -> None:
    """A PEFT folder with random changes of that size to the decoder's query and value projections."""
    generator = torch.Generator().manual_seed(2)
    tensors, targets = {}, []
    for name, weight in sorted(load_file(base / "model.safetensors").items()):
        if found := LAYERS.fullmatch(name):
            targets.append(found["path"])
            shapes = {"lora_A": (RANK, weight.shape[1]), "lora_B": (weight.shape[0], RANK)}
            for side, shape in shapes.items():
                tensors[f"{targets[-1]}.{side}.weight"] = std * torch.randn(shape, generator=generator)
    write_peft(
        folder,
        tensors=tensors,
        rank=RANK,
        alpha=ALPHA,
        dropout=0.0,
        targets=targets,
        base_uri=str(base),
        base_digest="5e" * 32,
        task_type=None,
        notes={"prompt_form": "verbatim"},
    )


def publish_usable(root: Path, task: str, base: Path, **options: Any) -> str:
    """Publish such an adapter below ``root``; ``options`` change the job's. Returns the version's address."""
    store = open_store(str(root / "tiny"), settings(root))
    core = document(task, name="tiny")
    core["base_model"] = {"uri": str(base), "sha256": digest(base, root)}
    core["job"]["options"] |= options
    folder = root / "made"
    write_adapter(base, folder)
    capabilities = store.probe()
    version = publish.reserve(store, "auto", core["run_id"], capabilities)
    published = publish.publish(store, capabilities, version, folder, core)
    return f"{root}/tiny/versions/{published.version}"


def digest(base: Path, root: Path) -> str:
    """What staging says of a base."""
    place = settings(root)
    return stage.fetch_one(stage.list_input("base model", str(base), place), place).sha256


def names(folder: Path) -> Sequence[str]:
    """Files of a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())
