"""PEFT folders that nobody vouches for."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from loraruner.errors import DataInvalid
from loraruner.pretrained.hf_folder import check_adapter
from loraruner.pretrained.loading import with_adapter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file({"x": torch.zeros(2)}, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 4}))
    return tmp_path


def test_a_pickle_is_never_taken(folder: Path) -> None:
    """PEFT reads adapter_model.bin where the safetensors file is missing: 65 before it looks."""
    check_adapter(folder)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(DataInvalid, match=r"needs adapter_model\.safetensors and adapter_config\.json"):
        with_adapter(None, folder)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"r": 0, "lora_alpha": 1},
        {"r": True, "lora_alpha": 1},
        {"r": 2, "lora_alpha": "x"},
        {"r": 2.5},
        [],
        {"r": 2, "lora_alpha": 10**400},
    ],
)
def test_a_scale_that_is_none(folder: Path, config: object) -> None:
    """Alpha over rank must be a number: 65."""
    (folder / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(DataInvalid, match=r"adapter_config\.json: "):
        check_adapter(folder)


def test_weights_that_are_cut(folder: Path) -> None:
    """65, as for every safetensors file."""
    (folder / "adapter_model.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(DataInvalid, match="not a sound safetensors file"):
        check_adapter(folder)


def test_what_peft_stumbles_over(folder: Path) -> None:
    """A kind of adapter that nobody knows is 65, one sentence."""
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 4, "peft_type": "EVIL"}))
    with pytest.raises(DataInvalid, match="use a version that this loraruner has published"):
        with_adapter(torch.nn.Linear(2, 2), folder)
