"""Put LoRA into a frozen module, and take its tensors out and in again (LoRA: arXiv 2106.09685)."""

import re
from collections.abc import Iterator, Mapping, Sequence

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from loraruner.errors import IntegrityError

ADAPTER = "default"
SIDES = ("lora_A", "lora_B")


def inject(module: nn.Module, *, targets: Sequence[str], rank: int, alpha: float, dropout: float, seed: int) -> None:
    """Freeze ``module`` and add fp32 LoRA pairs to the layers at the exact paths ``targets``, in place.

    ``lora_A`` starts Kaiming-uniform from a generator of its own (the same bytes whatever ran before), ``lora_B``
    starts at zero, so the module's output does not change. The trained scale is ``alpha / rank``.
    """
    module.requires_grad_(False)
    paths = "|".join(re.escape(path) for path in targets)  # a pattern must fit whole paths; a list fits their endings
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=paths, bias="none")
    inject_adapter_in_model(config, module, adapter_name=ADAPTER)
    generator = torch.Generator().manual_seed(seed)
    for _, layer in lora_layers(module):
        down, up = layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]
        start = torch.empty(down.weight.shape)
        nn.init.kaiming_uniform_(start, a=5**0.5, generator=generator)
        with torch.no_grad():
            down.to(torch.float32).weight.copy_(start)
            up.to(torch.float32).weight.zero_()


def lora_layers(module: nn.Module) -> Iterator[tuple[str, LoraLayer]]:
    """Every layer that carries LoRA, with its path in ``module``, sorted by path."""
    layers = [(name, child) for name, child in module.named_modules() if isinstance(child, LoraLayer)]
    yield from sorted(layers, key=lambda item: item[0])


def lora_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The trained parameters: ``<module path>.lora_A.weight`` and ``.lora_B.weight``, sorted."""
    return {
        f"{path}.{side}.weight": getattr(layer, side)[ADAPTER].weight
        for path, layer in lora_layers(module)
        for side in SIDES
    }


def lora_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Copies of the LoRA weights in CPU memory, fp32, keyed as ``lora_parameters``."""
    return {
        name: parameter.detach().to("cpu", torch.float32, copy=True)
        for name, parameter in lora_parameters(module).items()
    }


def load_lora_tensors(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy weights back; raises IntegrityError unless names and shapes are exactly those of ``module``."""
    parameters = lora_parameters(module)
    if parameters.keys() != tensors.keys():
        odd = sorted(parameters.keys() ^ tensors.keys())
        raise IntegrityError(f"adapter weights do not fit the model: {len(odd)} names differ, first {odd[0]}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != tensors[name].shape:
                raise IntegrityError(f"{name}: shape {tuple(tensors[name].shape)} is not {tuple(parameter.shape)}")
            parameter.copy_(tensors[name])
