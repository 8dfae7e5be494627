"""kohya files: names, alpha, hashes and header as the web UIs read them."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from loraruner.adapters.kohya import kohya_metadata, kohya_name, read_kohya_deltas, write_kohya
from loraruner.errors import IntegrityError

PATH = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0"
TENSORS = {f"{PATH}.lora_A.weight": torch.tensor([[1.0, 2.0]]), f"{PATH}.lora_B.weight": torch.tensor([[3.0], [4.0]])}
METADATA = {"ss_network_dim": "1", "ss_network_alpha": "0.5", "modelspec.title": "x"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.safetensors"
    write_kohya(path, TENSORS, alpha=0.5, metadata=METADATA)
    return path


def test_three_tensors_a_module(file: Path) -> None:
    """Down is A, up is B, alpha is a scalar of shape [] in the weights' type."""
    tensors = load_file(file)
    assert set(tensors) == {f"{NAME}.{end}" for end in ("alpha", "lora_down.weight", "lora_up.weight")}
    assert (tensors[f"{NAME}.alpha"].shape, tensors[f"{NAME}.alpha"].item()) == (torch.Size([]), 0.5)
    assert tensors[f"{NAME}.alpha"].dtype == torch.float32
    assert torch.equal(tensors[f"{NAME}.lora_down.weight"], TENSORS[f"{PATH}.lora_A.weight"])
    assert torch.equal(tensors[f"{NAME}.lora_up.weight"], TENSORS[f"{PATH}.lora_B.weight"])


def test_hashes(file: Path) -> None:
    """Both model hashes are of all bytes after the final file's header; the legacy one has 8 hex digits."""
    data = file.read_bytes()
    digest = hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    with safe_open(file, framework="pt") as stream:
        metadata = stream.metadata()
    assert metadata["sshs_model_hash"] == digest
    assert metadata["modelspec.hash_sha256"] == f"0x{digest}"
    assert len(metadata["sshs_legacy_hash"]) == 8 and int(metadata["sshs_legacy_hash"], 16) >= 0
    assert metadata | METADATA == metadata


def test_the_legacy_hash_reads_one_window(tmp_path: Path) -> None:
    """It covers bytes 0x100000 to 0x110000 of the file that holds the ss_ keys alone."""
    large = {f"m.lora_{side}.weight": torch.arange(600_000.0).reshape(1, -1) for side in ("A", "B")}
    write_kohya(tmp_path / "x", large, alpha=1.0, metadata={"ss_a": "1", "modelspec.b": "2"})
    named = {"lora_unet_m.lora_down.weight": large["m.lora_A.weight"], "lora_unet_m.alpha": torch.tensor(1.0)}
    first = save({**named, "lora_unet_m.lora_up.weight": large["m.lora_B.weight"]}, {"ss_a": "1"})
    with safe_open(tmp_path / "x", framework="pt") as stream:
        assert stream.metadata()["sshs_legacy_hash"] == hashlib.sha256(first[0x100000:0x110000]).hexdigest()[:8]


def test_header_values_are_strings() -> None:
    """Containers become JSON, the rest the words that sd-scripts writes."""
    facts = {"a": "text", "b": {"k": [1]}, "c": [1, 2], "d": None, "e": False, "f": 2e-4, "g": 3}
    text = kohya_metadata(facts)
    assert all(isinstance(value, str) for value in text.values())
    assert text == {"a": "text", "b": '{"k": [1]}', "c": "[1, 2]", "d": "None", "e": "False", "f": "0.0002", "g": "3"}
    assert json.loads(text["b"]) == facts["b"]


def test_deltas_as_the_web_uis_compute_them(file: Path, tmp_path: Path) -> None:
    """alpha / rank * up @ down; without an alpha the scale is 1."""
    product = TENSORS[f"{PATH}.lora_B.weight"] @ TENSORS[f"{PATH}.lora_A.weight"]
    torch.testing.assert_close(read_kohya_deltas(file, [PATH])[PATH].dense(), 0.5 * product, check_dtype=False)
    tensors = load_file(file)
    del tensors[f"{NAME}.alpha"]
    save_file(tensors, tmp_path / "plain")
    plain = read_kohya_deltas(tmp_path / "plain", [PATH])[PATH]
    torch.testing.assert_close(plain.dense(), product, check_dtype=False)


def test_strangers_and_halves_are_refused(file: Path, tmp_path: Path) -> None:
    """A key of no module, and a module of which a matrix is missing."""
    with pytest.raises(IntegrityError, match=f"key {NAME} belongs to no module"):
        read_kohya_deltas(file, ["elsewhere"])
    tensors = load_file(file)
    del tensors[f"{NAME}.lora_up.weight"]
    save_file(tensors, tmp_path / "half")
    with pytest.raises(IntegrityError, match=f"half: lora_down or lora_up of {NAME} is missing"):
        read_kohya_deltas(tmp_path / "half", [PATH])


def test_a_name() -> None:
    """Dots become underscores behind the part's prefix."""
    assert kohya_name(PATH) == NAME
