"""Exported files, loaded back by the loaders that their users have; every mutation is found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from loraruner.errors import IntegrityError
from loraruner.families.base import Base
from loraruner.families.diffusion import base_model
from loraruner.families.diffusion.export import export, verify
from loraruner.families.diffusion.trainable import DiffusionTrainable

FACTS = {
    "session_id": "7",
    "started_at": "1.0",
    "finished_at": "2.0",
    "finished_at_iso": "2026-01-01T00:00:00+00:00",
    "steps": "3",
    "epochs": "1",
    "precision": "fp32",
}
FILES = {
    "diffusers": "pytorch_lora_weights.safetensors",
    "kohya": "tiny.safetensors",
    "peft": "adapter_model.safetensors",
}


@pytest.fixture
def folder(tmp_path: Path, pictures_job: Any, base: Base, trained: DiffusionTrainable) -> Path:
    """All three formats, exported."""
    export(pictures_job(), base, trained, tmp_path, FACTS)
    return tmp_path


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Change a file's tensors and keep its header."""
    with safe_open(path, framework="pt") as stream:
        metadata = stream.metadata()
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    change(tensors)
    save_file(tensors, path, metadata=metadata)


def scaled(tensors: dict[str, torch.Tensor]) -> None:
    tensors[max(name for name in tensors if tensors[name].ndim > 1)] *= 1.01


def dropped(tensors: dict[str, torch.Tensor]) -> None:
    module = min(tensors).split(".lora_")[0].removesuffix(".alpha")
    for name in [name for name in tensors if name.startswith(module + ".")]:
        del tensors[name]


def halved(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[max(name for name in tensors if tensors[name].ndim > 1)]


def renamed(tensors: dict[str, torch.Tensor]) -> None:
    for name in list(tensors):
        tensors[name.replace("attn", "nowhere")] = tensors.pop(name)


def test_every_file_is_the_trained_adapter(
    folder: Path, pictures_job: Any, base: Base, trained: DiffusionTrainable
) -> None:
    """With alpha 6 on rank 4 each format loads back with the same effect in every trained layer."""
    artifacts = verify(pictures_job(), base, trained, folder)
    assert {artifact.format: artifact.name for artifact in artifacts} == FILES
    assert {artifact.num_modules for artifact in artifacts} == {len(load_file(folder / FILES["kohya"])) // 3}
    assert all(artifact.max_difference < 1e-5 for artifact in artifacts)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("mutate", [scaled, dropped, halved, renamed])
def test_changed_tensors_are_found(
    folder: Path, pictures_job: Any, base: Base, trained: DiffusionTrainable, kind: str, mutate: Any
) -> None:
    """One tensor times 1.01, one module or one matrix gone, names that fit nothing: 74, naming the file."""
    rewrite(folder / FILES[kind], mutate)
    with pytest.raises(IntegrityError, match=FILES[kind]):
        verify(pictures_job(output__formats=[kind]), base, trained, folder)


def test_a_swapped_alpha_is_found(folder: Path, pictures_job: Any, base: Base, trained: DiffusionTrainable) -> None:
    """Alpha as the rank, where each format keeps it: kohya's scalars, diffusers' metadata, PEFT's config."""

    def one_alpha(tensors: dict[str, torch.Tensor]) -> None:
        tensors[min(name for name in tensors if name.endswith(".alpha"))].fill_(4.0)

    rewrite(folder / FILES["kohya"], one_alpha)
    with safe_open(folder / FILES["diffusers"], framework="pt") as stream:
        metadata = stream.metadata()
    config = json.loads(metadata["lora_adapter_metadata"]) | {"unet.lora_alpha": 6}
    tensors = load_file(folder / FILES["diffusers"])
    save_file(tensors, folder / FILES["diffusers"], metadata | {"lora_adapter_metadata": json.dumps(config)})
    config = json.loads((folder / "adapter_config.json").read_text()) | {"lora_alpha": 4}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    for kind, name in FILES.items():
        with pytest.raises(IntegrityError, match=name):
            verify(pictures_job(output__formats=[kind]), base, trained, folder)


@pytest.mark.parametrize("kind", ["diffusers", "kohya"])
def test_a_pipeline_draws_with_it(folder: Path, base: Base, trained: DiffusionTrainable, kind: str) -> None:
    """``load_lora_weights`` of a plain diffusers pipeline gives the trained module's output."""
    pipeline = base_model.load_pipeline(base.path)
    x = (torch.ones(1, 4, 16, 16), torch.tensor([500]), torch.ones(1, 77, 24))
    with torch.inference_mode():
        before = pipeline.unet(*x).sample
        pipeline.load_lora_weights(str(folder), weight_name=FILES[kind])
        after, expected = pipeline.unet(*x).sample, trained.module.eval()(*x).sample
    assert not torch.allclose(before, expected, atol=1e-3)
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=1e-4)


def test_the_kohya_header(folder: Path) -> None:
    """What the UIs read is there and true, and every value is a string."""
    with safe_open(folder / FILES["kohya"], framework="pt") as stream:
        header = stream.metadata()
    expected = {
        "ss_output_name": "tiny",
        "ss_network_module": "networks.lora",
        "ss_network_dim": "4",
        "ss_network_alpha": "6.0",
        "ss_v2": "False",
        "ss_base_model_version": "sd_v1",
        "ss_num_train_images": "3",
        "ss_resolution": "(32, 32)",
        "ss_sd_model_name": "tiny-base",
        "ss_new_sd_model_hash": "ab" * 32,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": "tiny",
        "modelspec.resolution": "32x32",
        "modelspec.date": FACTS["finished_at_iso"],
        "modelspec.prediction_type": "epsilon",
    }
    assert header | expected == header
    assert all(isinstance(value, str) for value in header.values())
    assert json.loads(header["ss_network_args"]) == {"targets": "default"}


def test_tensor_bytes_do_not_depend_on_the_run(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, pictures_job: Any, base: Base, trained: DiffusionTrainable
) -> None:
    """Session and times stand in headers alone: after them both exports have the same bytes."""
    other = tmp_path_factory.mktemp("other")
    export(pictures_job(), base, trained, other, {**FACTS, "session_id": "8", "finished_at": "99.0"})
    for name in FILES.values():
        assert tensor_bytes(folder / name) == tensor_bytes(other / name)


def tensor_bytes(path: Path) -> bytes:
    """Everything after the header."""
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]
