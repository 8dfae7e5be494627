"""The exported PEFT folder is the trained adapter, and whatever differs from it is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from loraruner.errors import IntegrityError
from loraruner.families.base import Base
from loraruner.families.causal_lm import FAMILY
from loraruner.families.causal_lm.open_base import load_model
from loraruner.families.causal_lm.trainable import CausalTrainable
from loraruner.spec import Spec

Build = Callable[..., CausalTrainable]
Tensors = dict[str, Tensor]


def edit_tensors(folder: Path, edit: Callable[[Tensors], object]) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def scale_one(tensors: Tensors) -> None:
    tensors[min(tensors)].mul_(1.01)


def drop_one(tensors: Tensors) -> None:
    path = min(tensors).rsplit(".", 2)[0]
    for name in [name for name in tensors if name.startswith(path)]:
        del tensors[name]


def rename_one(tensors: Tensors) -> None:
    tensors[min(tensors).replace("layers.0", "layers.7")] = tensors.pop(min(tensors))


def forget(tensors: Tensors) -> None:
    for tensor in tensors.values():
        tensor.zero_()


def test_the_folder_loads_in_peft_with_the_trained_effect(build: Build, spec: Spec, base: Base, tmp_path: Path) -> None:
    """With alpha of four times the rank, PEFT on a fresh base computes what the trained module does."""
    trainable = build(trained=True)
    FAMILY.export(spec, base, trainable, tmp_path, {})
    (artifact,) = FAMILY.verify(spec, base, trainable, tmp_path)
    assert (artifact.name, artifact.format, artifact.num_modules) == ("adapter_model.safetensors", "peft", 4)
    assert artifact.max_difference < 1e-5
    fresh = load_model(base, device="cpu", dtype="float32")
    ids = torch.arange(3, 30)[None]
    with torch.no_grad():
        untouched = fresh(ids).logits.clone()
        loaded = PeftModel.from_pretrained(fresh, str(tmp_path))(ids).logits
        trained = trainable.module.eval()(ids).logits
    torch.testing.assert_close(loaded, trained)
    assert (loaded - untouched).abs().max() > 0.1


@pytest.mark.parametrize(
    "mutate",
    [
        lambda folder: edit_tensors(folder, scale_one),
        lambda folder: edit_tensors(folder, drop_one),
        lambda folder: edit_tensors(folder, rename_one),
        lambda folder: edit_tensors(folder, forget),
        lambda folder: edit_config(folder, lora_alpha=4),
        lambda folder: edit_config(folder, use_rslora=True),
        lambda folder: edit_config(folder, alpha_pattern={"q_proj": 1}),
        lambda folder: edit_config(folder, target_modules=["q_proj"]),
    ],
    ids=["scaled", "dropped", "renamed", "zeroed", "alpha", "rslora", "alpha_pattern", "targets"],
)
def test_a_file_that_differs_is_refused(
    build: Build, spec: Spec, base: Base, tmp_path: Path, mutate: Callable[[Path], None]
) -> None:
    """One tensor off by 1 %, a module gone or elsewhere, another scale: each is IntegrityError."""
    trainable = build(trained=True)
    FAMILY.export(spec, base, trainable, tmp_path, {})
    mutate(tmp_path)
    with pytest.raises(IntegrityError, match=r"adapter_model\.safetensors"):
        FAMILY.verify(spec, base, trainable, tmp_path)


def test_an_adapter_without_effect_is_refused(build: Build, spec: Spec, base: Base, tmp_path: Path) -> None:
    """An adapter that was never trained (B is zero) fails the check."""
    trainable = build()
    FAMILY.export(spec, base, trainable, tmp_path, {})
    with pytest.raises(IntegrityError, match="does not change the model's output"):
        FAMILY.verify(spec, base, trainable, tmp_path)


def test_every_layer_can_be_exported(build: Build, spec: Spec, base: Base, tmp_path: Path) -> None:
    """All linear layers, and a single path whose name others share, survive the round trip."""
    for targets, num_modules in (("all-linear", 14), (("model.layers.1.mlp.up_proj",), 1)):
        changed = replace(spec, lora=replace(spec.lora, targets=targets))
        trainable = build(trained=True, targets=targets)
        FAMILY.export(changed, base, trainable, tmp_path / str(num_modules), {})
        (artifact,) = FAMILY.verify(changed, base, trainable, tmp_path / str(num_modules))
        assert artifact.num_modules == num_modules
