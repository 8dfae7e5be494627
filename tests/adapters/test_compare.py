"""The proof itself: what is the same passes, what is not is named."""

import pytest
import torch

from loraruner.adapters.compare import compare_deltas, compare_outputs, low_rank_deltas
from loraruner.adapters.delta import Delta, delta_of
from loraruner.errors import IntegrityError

A, B = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]])


def test_deltas_by_hand() -> None:
    """scale * B @ A; a 3x3 convolution is flattened to (out, in * 9)."""
    deltas = low_rank_deltas({"m.lora_A.weight": A, "m.lora_B.weight": B}, 2.0)
    torch.testing.assert_close(deltas["m"].dense(), torch.tensor([[6.0, 12.0], [8.0, 16.0]]), check_dtype=False)
    conv = {"c.lora_A.weight": torch.ones(1, 2, 3, 3), "c.lora_B.weight": torch.ones(5, 1, 1, 1)}
    assert low_rank_deltas(conv, 1.0)["c"].shape == (5, 18)


def test_half_a_pair_is_refused() -> None:
    """A module whose A or B is missing is an error of the file, not of ours."""
    with pytest.raises(IntegrityError, match=r"f: lora_A or lora_B of m is missing"):
        low_rank_deltas({"m.lora_A.weight": A}, 1.0, name="f")
    with pytest.raises(IntegrityError, match=r"f: lora_A or lora_B of m is missing"):
        low_rank_deltas({"m.lora_B.weight": B}, 1.0, name="f")


def scaled(scale: float, size: int = 2) -> Delta:
    """A multiple of the identity."""
    return delta_of(torch.eye(size), torch.eye(size), scale)


def test_norms_need_no_dense_matrix() -> None:
    """Norm and distance by the factors are those of the matrices written out, also where these nearly cancel."""
    random = torch.Generator().manual_seed(0)
    one, other = (
        delta_of(torch.randn(7, 3, generator=random), torch.randn(3, 5, generator=random), 2.0) for _ in range(2)
    )
    assert one.norm() == pytest.approx(torch.linalg.norm(one.dense()).item())
    assert one.distance(other) == pytest.approx(torch.linalg.norm(one.dense() - other.dense()).item())
    assert one.distance(one) < 1e-7 * one.norm()


def test_compare_deltas() -> None:
    """Rounding passes; one percent, another shape, NaN, a missing, an extra or no module fails and is named."""
    expected = {"a": scaled(1.0), "b": scaled(1.0)}
    assert compare_deltas(expected, {"a": scaled(1 + 1e-6), "b": scaled(1 - 1e-6)}, name="f") == 2
    for found, match in (
        ({**expected, "b": scaled(1.01)}, "f: the weight change of b is off by 0.0141"),
        ({**expected, "b": scaled(1.0, size=3)}, "f: the weight change of b is off by inf"),
        ({**expected, "b": scaled(torch.nan)}, "f: the weight change of b is off by nan"),
        ({"a": expected["a"]}, r"f: holds 1 modules where 2 were trained \(first that differs: b\)"),
        ({**expected, "c": expected["a"]}, r"f: holds 3 modules where 2 .*: c\)"),
        ({}, "f: holds 0 modules"),
    ):
        with pytest.raises(IntegrityError, match=match):
            compare_deltas(expected, found, name="f")


def test_compare_outputs() -> None:
    """The tolerance is a share of the adapter's effect; no effect at all and NaN are errors."""
    base, trained = torch.zeros(3), torch.tensor([0.0, 1.0, -2.0])
    assert compare_outputs(trained, trained + 1e-4, base, name="f") == pytest.approx(1e-4, rel=1e-2)
    for loaded, match in (
        (trained + 0.01, "f: loaded back it differs .* by 0.01, where the adapter's whole effect is 2"),
        (base, "differs"),
        (trained * torch.nan, "differs"),
    ):
        with pytest.raises(IntegrityError, match=match):
            compare_outputs(trained, loaded, base, name="f")
    with pytest.raises(IntegrityError, match="does not change the model's output"):
        compare_outputs(base, base, base, name="f")
