"""The PEFT folder's two files."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftConfig
from safetensors import safe_open
from safetensors.torch import load_file, save

from loraruner.adapters.header import sort_header
from loraruner.adapters.peft_folder import PeftFacts, read_peft_deltas, write_peft
from loraruner.errors import IntegrityError

TENSORS = {
    "a.q.lora_A.weight": torch.arange(6.0).reshape(2, 3),
    "a.q.lora_B.weight": torch.arange(8.0).reshape(4, 2),
}
FACTS: PeftFacts = {
    "rank": 2,
    "alpha": 6.0,
    "dropout": 0.1,
    "targets": ["v", "q"],
    "base_uri": "hf://org/model@abc123",
    "base_digest": "ab" * 32,
    "task_type": "CAUSAL_LM",
    "notes": {"prompt_form": "chat", "zz": "1"},
}


def test_the_config_is_what_peft_reads(tmp_path: Path) -> None:
    """PEFT parses the config without a warning; the base is named by hub id and revision."""
    write_peft(tmp_path, tensors=TENSORS, **FACTS)
    config = PeftConfig.from_pretrained(str(tmp_path))
    assert isinstance(config, LoraConfig)
    assert (config.r, config.lora_alpha, config.task_type) == (2, 6, "CAUSAL_LM")
    assert (config.base_model_name_or_path, config.revision) == ("org/model", "abc123")
    assert config.target_modules == {"q", "v"}


def test_other_bases_are_named_by_their_uri(tmp_path: Path) -> None:
    """A base in a bucket keeps its URI, and an alpha that is no whole number its digits."""
    facts: PeftFacts = {**FACTS, "base_uri": "s3://models/x", "alpha": 0.5}
    write_peft(tmp_path, tensors=TENSORS, **facts)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("s3://models/x", None)
    assert config["lora_alpha"] == 0.5


def test_deltas_are_scaled_products(tmp_path: Path) -> None:
    """The folder stands for alpha / rank * B @ A under the module's path."""
    write_peft(tmp_path, tensors=TENSORS, **FACTS)
    assert set(load_file(tmp_path / "adapter_model.safetensors")) == {f"base_model.model.{n}" for n in TENSORS}
    expected = 3.0 * TENSORS["a.q.lora_B.weight"] @ TENSORS["a.q.lora_A.weight"]
    torch.testing.assert_close(read_peft_deltas(tmp_path)["a.q"].dense(), expected, check_dtype=False)


def test_a_foreign_key_is_refused(tmp_path: Path) -> None:
    """A tensor without the prefix, which PEFT would ignore, is an error."""
    write_peft(tmp_path, tensors=TENSORS, prefix="elsewhere.", **FACTS)
    with pytest.raises(IntegrityError, match=r"elsewhere\.a\.q\.lora_A\.weight does not start with"):
        read_peft_deltas(tmp_path)


def test_the_same_adapter_gives_the_same_bytes(tmp_path: Path) -> None:
    """Headers are sorted into the same bytes each time, where safetensors alone shuffles them."""
    metadata = {str(number): "x" for number in range(9)}
    files = {sort_header(save({"t": torch.ones(3)}, metadata)) for _ in range(8)}
    path = tmp_path / "sorted.safetensors"
    path.write_bytes(files.pop())
    assert not files
    torch.testing.assert_close(load_file(path), {"t": torch.ones(3)})
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == metadata
