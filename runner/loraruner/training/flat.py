"""All trained weights in one buffer, so that clipping and the optimiser are a few large operations.

A LoRA has hundreds of tiny tensors; one kernel launch and some Python for each would cost more than the arithmetic.
"""

import torch
from torch import Tensor, nn

from loraruner.adapters.inject import lora_parameters


def flatten(module: nn.Module) -> nn.Parameter:
    """Move the LoRA weights of ``module`` into one flat fp32 parameter (N,), in the order of their names.

    The module's own parameters and their gradients become views of it: what backward adds up is in ``flat.grad`` at
    once, and a step on ``flat`` changes the module. The module must stay on its device afterwards.
    """
    parameters = list(lora_parameters(module).values())
    sizes = [parameter.numel() for parameter in parameters]
    flat = nn.Parameter(torch.cat([parameter.detach().float().flatten() for parameter in parameters]))
    flat.grad = torch.zeros_like(flat)
    weights, gradients = torch.split(flat.detach(), sizes), torch.split(flat.grad, sizes)
    for parameter, weight, gradient in zip(parameters, weights, gradients, strict=True):
        parameter.data = weight.view(parameter.shape)
        parameter.grad = gradient.view(parameter.shape)
    return flat


def clip(gradient: Tensor, limit: float) -> float:
    """Scale ``gradient`` in place so that its 2-norm is at most ``limit`` (0: no limit); returns the norm before."""
    norm = float(torch.linalg.vector_norm(gradient))
    if 0 < limit < norm:
        gradient.mul_(limit / norm)
    return norm
