"""The change that LoRA makes to one weight, kept as its two thin factors.

A language model's changes written out would be as large as the model itself; norms and distances need the factors only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Delta:
    """``scale * up @ down``: ``up`` (out, r), ``down`` (r, in). Build it with ``delta_of``."""

    up: Tensor
    down: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the change."""
        return self.up.shape[0], self.down.shape[1]

    def dense(self) -> Tensor:
        """The change itself, (out, in), float64."""
        return self.up @ self.down

    def norm(self) -> float:
        """Frobenius norm, by the r x r Gram matrices: ||UD||^2 = tr((U^T U)(D D^T))."""
        square = torch.sum((self.up.T @ self.up) * (self.down @ self.down.T))
        return float(square.clamp(min=0.0).sqrt())

    def distance(self, other: Delta) -> float:
        """Norm of the difference, infinite for another shape; float64 keeps it exact to about 1e-8 of the norms."""
        if self.shape != other.shape:
            return float("inf")
        return Delta(torch.cat([self.up, -other.up], 1), torch.cat([self.down, other.down], 0)).norm()


def delta_of(up: Tensor, down: Tensor, scale: float) -> Delta:
    """From LoRA tensors of a linear layer or a convolution; those are flattened to (out, r) and (r, in * kh * kw)."""
    thin_up, thin_down = (tensor.detach().to("cpu", torch.float64).flatten(1) for tensor in (up, down))
    return Delta(scale * thin_up, thin_down)
