"""The diffusion step: noise and targets by hand, and what evaluation sees."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loraruner.adapters.inject import lora_parameters
from loraruner.families.base import Base, Draw, Prepared
from loraruner.families.diffusion import base_model
from loraruner.families.diffusion.trainable import DiffusionTrainable, load_part
from loraruner.families.draws import generator
from loraruner.training.evaluate import evaluate
from tests.support.tiny_training import RUNTIME

DRAW = Draw(seed=1, purpose="train", epoch=0, occurrence=0, step=3)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_one_sample_by_hand(base: Base, prepared: Prepared, prediction: str) -> None:
    """Noisy latent and target of one picture, computed from the scheduler's betas and the keyed numbers."""
    schedule = base_model.load_noise_schedule(base.path) | {"prediction_type": prediction}
    parts = {part: load_part(prepared, part) for part in ("train", "evaluation")}
    trainable = DiffusionTrainable(torch.nn.Linear(1, 1), schedule, parts, RUNTIME)
    batch = trainable.collate([1], DRAW)

    random, part = generator(DRAW, "1.png"), trainable.part("train")
    normals = random.standard_normal((2, 4, 16, 16), dtype=np.float32)
    timestep = int(random.integers(1000))
    betas = np.linspace(schedule["beta_start"] ** 0.5, schedule["beta_end"] ** 0.5, 1000) ** 2
    product = np.cumprod(1 - betas)[timestep]
    latent = (part.mean[1] + part.std[1] * torch.from_numpy(normals[0])) * part.scale
    noise = torch.from_numpy(normals[1])
    signal, level = product**0.5, (1 - product) ** 0.5
    target = noise if prediction == "epsilon" else signal * noise - level * latent
    assert batch.timesteps.tolist() == [timestep]
    torch.testing.assert_close(batch.noisy[0], (signal * latent + level * noise).float(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(batch.target[0], target.float(), atol=1e-5, rtol=1e-4)
    assert torch.equal(batch.text[0], part.embeddings[part.caption_row[1]])


def test_batches_do_not_shape_the_noise(trained: DiffusionTrainable) -> None:
    """A batch of three is the three single batches, bit for bit, in any order."""
    whole = trained.collate([0, 1, 2], DRAW)
    for place, index in enumerate([0, 1, 2]):
        alone = trained.collate([index], DRAW)
        for name in ("noisy", "timesteps", "target", "text"):
            assert torch.equal(getattr(whole, name)[place], getattr(alone, name)[0])
    assert torch.equal(trained.collate([2, 0], DRAW).noisy, whole.noisy[[2, 0]])
    assert not torch.equal(trained.collate([0], replace(DRAW, step=4)).noisy, whole.noisy[:1])


def test_the_loss_is_a_sum_over_pictures(trained: DiffusionTrainable) -> None:
    """Mean square error of each picture, summed; the weight is their number."""
    batch = trained.collate([0, 1], DRAW)
    loss = trained.loss(batch)
    predicted = trained.module(batch.noisy, batch.timesteps, batch.text).sample
    expected = sum(((predicted[i] - batch.target[i]) ** 2).mean() for i in range(2))
    torch.testing.assert_close(loss.total, expected)
    assert loss.weight == 2.0


def test_evaluation_is_fixed(trained: DiffusionTrainable) -> None:
    """The same weights have the same held-out loss, also after steps in between; other weights another."""
    first = evaluate(trained, seed=1, batch_size=1)
    trained.loss(trained.collate([0, 1, 2], DRAW)).total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.rand(5)
    assert evaluate(trained, seed=1, batch_size=1) == first
    with torch.no_grad():
        next(iter(lora_parameters(trained.module).values())).add_(1.0)
    assert evaluate(trained, seed=1, batch_size=1) != first


def test_evaluation_covers_all_noise_levels(trained: DiffusionTrainable) -> None:
    """Each of the four repeats draws its timestep from a quarter of its own."""
    draws = [Draw(1, "evaluation", 0, repeat, 0) for repeat in range(trained.evaluation_repeats)]
    quarters = [int(trained.collate([0], draw, "evaluation").timesteps) // 250 for draw in draws]
    assert quarters == [0, 1, 2, 3]


def test_only_lora_learns(trained: DiffusionTrainable, pictures_job: Any, tmp_path: Path) -> None:
    """A backward pass leaves finite gradients on every LoRA weight and on nothing else."""
    trained.loss(trained.collate([0, 1, 2], DRAW)).total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    with_gradient = {name for name, parameter in trained.module.named_parameters() if parameter.grad is not None}
    assert with_gradient == {name for name, _ in trained.module.named_parameters() if ".lora_" in name}
    for parameter in lora_parameters(trained.module).values():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all()
