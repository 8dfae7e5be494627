"""The proof that an exported adapter is the trained one: its weight changes and its effect are compared."""

from collections.abc import Mapping

import torch
from torch import Tensor

from loraruner.adapters.delta import Delta, delta_of
from loraruner.errors import IntegrityError

DELTA_TOLERANCE = 1e-4
EFFECT_TOLERANCE = {torch.float32: 1e-3}
LOW_PRECISION_TOLERANCE = 5e-2  # bf16 and fp16 kernels round differently from run to run
ROUNDINGS = 32  # last places of the largest output: what the order of summation may change


def low_rank_deltas(tensors: Mapping[str, Tensor], scale: float, *, name: str = "adapter") -> dict[str, Delta]:
    """Weight change of every module, ``scale * B @ A``, from ``<path>.lora_A.weight`` pairs.

    Raises IntegrityError for half a pair, naming the file ``name``.
    """
    deltas = {}
    for path in sorted({key.rsplit(".lora_", 1)[0] for key in tensors}):
        down, up = tensors.get(f"{path}.lora_A.weight"), tensors.get(f"{path}.lora_B.weight")
        if down is None or up is None:
            raise IntegrityError(f"{name}: lora_A or lora_B of {path} is missing; the file is not published")
        deltas[path] = delta_of(up, down, scale)
    return deltas


def compare_deltas(expected: Mapping[str, Delta], found: Mapping[str, Delta], *, name: str) -> int:
    """Number of modules, all of whose weight changes agree to 1e-4 of their norm.

    Raises IntegrityError naming the file and the first module that is missing, extra or different.
    """
    if not found or expected.keys() != found.keys():
        odd = sorted(expected.keys() ^ found.keys())
        raise IntegrityError(
            f"{name}: holds {len(found)} modules where {len(expected)} were trained (first that differs: "
            f"{odd[0] if odd else 'none'}); the file is not published"
        )
    for path, delta in expected.items():
        norm, error = delta.norm(), delta.distance(found[path])
        if not error <= DELTA_TOLERANCE * norm:
            raise IntegrityError(
                f"{name}: the weight change of {path} is off by {error:.3g} (its norm is {norm:.3g}); "
                "the file is not published"
            )
    return len(expected)


def compare_outputs(
    trained: Tensor, loaded: Tensor, base: Tensor, *, name: str, dtype: torch.dtype = torch.float32
) -> float:
    """Largest |loaded - trained|; raises IntegrityError above a share of the adapter's effect on the output.

    The effect is the largest |trained - base|; the share is 1e-3 where the model computes in fp32, else 5e-2, beside
    what rounding in ``dtype`` may change. No effect at all is an error in fp32; a lower precision may round a small
    one away, and there the weight changes alone are the proof.
    """
    effect = (trained.float() - base.float()).abs().max().item()
    difference = (loaded.float() - trained.float()).abs().max().item()
    allowed = EFFECT_TOLERANCE.get(dtype, LOW_PRECISION_TOLERANCE) * effect
    allowed += ROUNDINGS * torch.finfo(dtype).eps * trained.float().abs().max().item()
    if not effect > 0.0 and dtype == torch.float32:
        raise IntegrityError(f"{name}: the trained adapter does not change the model's output; nothing is published")
    if not difference <= allowed:
        raise IntegrityError(
            f"{name}: loaded back it differs from the trained adapter by {difference:.3g}, where the adapter's whole "
            f"effect is {effect:.3g}; the file is not published"
        )
    return difference
