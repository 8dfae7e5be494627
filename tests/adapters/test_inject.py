"""Putting LoRA into a module."""

import pytest
import torch
from torch import nn

from loraruner.adapters.inject import inject, load_lora_tensors, lora_layers, lora_parameters, lora_tensors
from loraruner.errors import IntegrityError


class Nested(nn.Module):
    """Two layers of the same name, one of them deeper, and a convolution."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.q = nn.Linear(4, 4, dtype=dtype)
        self.inner = nn.ModuleDict({"q": nn.Linear(4, 4, dtype=dtype), "v": nn.Linear(4, 4, dtype=dtype)})
        self.conv = nn.Conv2d(4, 4, 1, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.inner["v"](self.inner["q"](self.q(x)))
        return y


def injected(*targets: str, seed: int = 3, dtype: torch.dtype = torch.float32) -> Nested:
    torch.manual_seed(0)
    module = Nested(dtype)
    inject(module, targets=targets, rank=2, alpha=4.0, dropout=0.0, seed=seed)
    return module


@pytest.mark.parametrize("targets", [["q"], ["inner.q"], ["inner.v", "q"], ["conv"]])
def test_exact_paths(targets: list[str]) -> None:
    """Only the layers at these very paths get LoRA, not those whose paths end the same."""
    assert [path for path, _ in lora_layers(injected(*targets))] == sorted(targets)


def test_the_output_does_not_change() -> None:
    """lora_B starts at zero, lora_A does not; the base is frozen and LoRA alone is trained."""
    torch.manual_seed(0)
    plain, x = Nested(), torch.ones(2, 4)
    module = injected("q", "inner.q")
    assert torch.equal(module(x), plain(x))
    assert all(("lora_B" in name) == (not tensor.any()) for name, tensor in lora_tensors(module).items())
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert len(trained) == 4 and all("lora_" in name for name in trained)


def test_the_start_depends_on_the_seed_alone() -> None:
    """The same seed gives the same bytes whatever was drawn before; another seed gives others."""
    first = lora_tensors(injected("q"))
    torch.manual_seed(99)
    torch.rand(7)
    state = torch.get_rng_state()
    again = Nested()
    inject(again, targets=["q"], rank=2, alpha=4.0, dropout=0.0, seed=3)
    assert all(torch.equal(tensor, first[name]) for name, tensor in lora_tensors(again).items())
    assert not torch.equal(lora_tensors(injected("q", seed=4))["q.lora_A.weight"], first["q.lora_A.weight"])
    assert not torch.equal(torch.get_rng_state(), state)  # the base drew; LoRA's start came from elsewhere


def test_weights_are_fp32_on_a_small_base() -> None:
    """On a bfloat16 base the trained weights are float32, with the same start."""
    small, full = injected("q", dtype=torch.bfloat16), injected("q")
    assert {parameter.dtype for parameter in lora_parameters(small).values()} == {torch.float32}
    assert torch.equal(lora_tensors(small)["q.lora_A.weight"], lora_tensors(full)["q.lora_A.weight"])


def test_there_and_back() -> None:
    """Copies are copies; loading them gives the values back; other names or shapes are refused."""
    module = injected("q")
    saved = lora_tensors(module)
    with torch.no_grad():
        lora_parameters(module)["q.lora_B.weight"].fill_(1.0)
    assert not saved["q.lora_B.weight"].any()
    load_lora_tensors(module, saved)
    assert not lora_tensors(module)["q.lora_B.weight"].any()
    with pytest.raises(IntegrityError, match=r"1 names differ, first q\.lora_B\.weight"):
        load_lora_tensors(module, {"q.lora_A.weight": saved["q.lora_A.weight"]})
    with pytest.raises(IntegrityError, match=r"q\.lora_B\.weight: shape \(1, 1\) is not \(4, 2\)"):
        load_lora_tensors(module, {**saved, "q.lora_B.weight": torch.ones(1, 1)})
