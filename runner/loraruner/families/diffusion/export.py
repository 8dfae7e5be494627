"""Write a trained UNet adapter in every asked format, and prove each file on a fresh base."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from loraruner.adapters.compare import compare_deltas, compare_outputs, low_rank_deltas
from loraruner.adapters.delta import Delta, delta_of
from loraruner.adapters.diffusers_file import FILE_NAME, write_diffusers
from loraruner.adapters.inject import lora_layers, lora_tensors
from loraruner.adapters.kohya import read_kohya_deltas, write_kohya
from loraruner.adapters.peft_folder import write_peft
from loraruner.errors import IntegrityError
from loraruner.families.base import Artifact, Base
from loraruner.families.diffusion import base_model
from loraruner.families.diffusion.kohya_facts import kohya_header
from loraruner.families.diffusion.trainable import DiffusionTrainable
from loraruner.spec import Spec


def file_names(spec: Spec) -> dict[str, str]:
    """The main file of each asked format inside the version folder."""
    names = {"diffusers": FILE_NAME, "kohya": f"{spec.name}.safetensors", "peft": "adapter_model.safetensors"}
    return {kind: names[kind] for kind in spec.output.formats}


def export(spec: Spec, base: Base, trainable: DiffusionTrainable, folder: Path, facts: Mapping[str, str]) -> None:
    """Write the adapter files; ``facts`` carries session id, times, steps and precision for the kohya header."""
    tensors, lora = lora_tensors(trainable.module), spec.lora
    names = file_names(spec)
    if "diffusers" in names:
        write_diffusers(folder / names["diffusers"], tensors, rank=lora.rank, alpha=lora.alpha)
    if "kohya" in names:
        kind = {"prediction_type": "v" if trainable.predicts_velocity else "epsilon"}
        header = kohya_header(spec, base, trainable.num_samples, {**facts, **kind})
        write_kohya(folder / names["kohya"], tensors, alpha=lora.alpha, metadata=header)
    if "peft" in names:
        write_peft(
            folder,
            tensors=tensors,
            rank=lora.rank,
            alpha=lora.alpha,
            dropout=lora.dropout,
            targets=[path for path, _ in lora_layers(trainable.module)],
            base_uri=base.uri,
            base_digest=base.digest,
            task_type=None,
        )


def verify(spec: Spec, base: Base, trainable: DiffusionTrainable, folder: Path) -> tuple[Artifact, ...]:
    """Load each file into a fresh UNet as its users do; compare weight changes and outputs with the trained one.

    All in fp32, whatever the base was held in: diffusers' loader casts the adapter to the base's type, and what that
    rounds away would hide a fault. The trained module is cast in place and must not be trained afterwards.
    Raises IntegrityError (74) naming the first file that matches nothing or differs.
    """
    dtype = next(trainable.module.parameters()).dtype
    trained = trainable.module.float().eval()
    expected = low_rank_deltas(lora_tensors(trained), spec.lora.alpha / spec.lora.rank)
    probe = _probe(trainable)
    fresh = base_model.load_unet(base.path, dtype).float().to(probe[0].device)
    outputs = {"trained": _run(trained, probe), "base": _run(fresh, probe)}
    artifacts = []
    for kind, name in file_names(spec).items():
        path = folder / name
        found = _deltas_in_use(fresh, path, kind)
        num_modules = compare_deltas(expected, found, name=name)
        if kind == "kohya":  # the web UIs' own arithmetic, beside diffusers' converter
            compare_deltas(expected, read_kohya_deltas(path, expected), name=name)
        difference = compare_outputs(outputs["trained"], _run(fresh, probe), outputs["base"], name=name)
        artifacts.append(Artifact(name=name, format=kind, max_difference=difference, num_modules=num_modules))
        fresh = base_model.load_unet(base.path, dtype).float().to(probe[0].device)
    return tuple(artifacts)


def attach(unet: nn.Module, path: Path, kind: str) -> None:
    """Load an exported file into a UNet in place, by the loader that its users have."""
    if kind == "peft":
        from peft import PeftModel

        PeftModel.from_pretrained(unet, path.parent, local_files_only=True)
        return
    from diffusers import StableDiffusionPipeline

    config: Any = unet.config
    loaded = StableDiffusionPipeline.lora_state_dict(str(path), return_lora_metadata=True, unet_config=config)
    state, alphas, metadata = loaded
    StableDiffusionPipeline.load_lora_into_unet(state, network_alphas=alphas, unet=unet, metadata=metadata)


def _deltas_in_use(unet: nn.Module, path: Path, kind: str) -> dict[str, Delta]:
    try:
        attach(unet, path, kind)
    except (KeyError, OSError, RuntimeError, TypeError, ValueError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
        raise IntegrityError(f"{path.name}: its own loader refuses it ({reason}); it is not published") from error
    deltas = {}
    for module_path, layer in lora_layers(unet):
        for name, down in layer.lora_A.items():
            deltas[module_path] = delta_of(layer.lora_B[name].weight, down.weight, layer.scaling[name])
    if not deltas:
        raise IntegrityError(f"{path.name}: no module of the base model takes this file; it is not published")
    return deltas


def _probe(trainable: DiffusionTrainable) -> tuple[Tensor, Tensor, Tensor]:
    """Fixed latents (2, C, h, w), timesteps (2,) and text (2, 77, D)."""
    part, device = trainable.part("train"), next(trainable.module.parameters()).device
    shape = (2, *part.mean.shape[1:])
    latents = torch.randn(math.prod(shape), generator=torch.Generator().manual_seed(0)).view(shape)
    timesteps = torch.tensor([len(trainable.signal) // 5, len(trainable.signal) * 7 // 10])
    text = part.embeddings[part.caption_row[:1]].expand(2, -1, -1)
    return latents.to(device), timesteps.to(device), text.to(device)


def _run(unet: nn.Module, probe: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    with torch.inference_mode():
        output: Tensor = unet(*probe).sample.float().cpu()
    return output
