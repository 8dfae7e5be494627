"""The diffusion training step on cached latents: noise, predict, compare (DDPM: 2006.11239; v: 2202.00512)."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from loraruner.adapters.inject import inject
from loraruner.families.base import Base, BatchLoss, Draw, Prepared, Runtime
from loraruner.families.diffusion import base_model
from loraruner.families.diffusion.targets import resolve_targets
from loraruner.families.draws import generator
from loraruner.spec import Spec

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
EVALUATION_TIMESTEPS = 4


@dataclass(frozen=True)
class Part:
    """One part's cached tensors: latent mean and std (N, C, h, w), embeddings (U, 77, D), caption row (N,)."""

    ids: tuple[str, ...]
    mean: Tensor
    std: Tensor
    embeddings: Tensor
    caption_row: Tensor
    scale: float


@dataclass(frozen=True)
class Noised:
    """A micro-batch: noisy latents and target (B, C, h, w), timesteps (B,), text (B, 77, D)."""

    noisy: Tensor
    timesteps: Tensor
    target: Tensor
    text: Tensor


def load_part(prepared: Prepared, part: str) -> Part | None:
    """Read a part back from the cache, or None when it has no samples."""
    if not prepared.ids.get(part):
        return None
    latents, captions = load_file(prepared.files[f"{part}.latents"]), load_file(prepared.files[f"{part}.captions"])
    return Part(
        ids=prepared.ids[part],
        mean=latents["mean"],
        std=latents["std"],
        embeddings=captions["embeddings"],
        caption_row=captions["index"],
        scale=latents["scale"].item(),
    )


class DiffusionTrainable:
    """A UNet with LoRA and its cached samples."""

    num_general = 0
    selected_by = "loss"

    def __init__(
        self, module: nn.Module, schedule: dict[str, Any], parts: dict[str, Part | None], runtime: Runtime
    ) -> None:
        self.module = module
        self.parts = parts
        self.num_samples = len(self.part("train").ids)
        evaluation = parts["evaluation"]
        self.num_evaluation = len(evaluation.ids) if evaluation else 0
        self.evaluation_repeats = EVALUATION_TIMESTEPS
        self.predicts_velocity = schedule["prediction_type"] == "v_prediction"
        self.signal, self.noise_level = _noise_levels(schedule)  # (T,) each
        self._device = torch.device(runtime.device)
        self._autocast = AUTOCAST.get(runtime.precision)
        self._dtype = getattr(torch, runtime.dtype)

    def part(self, name: str) -> Part:
        """The cached tensors of a part that has samples."""
        found = self.parts[name]
        assert found is not None, name
        return found

    def weight(self, index: int) -> float:
        """Every picture counts once."""
        return 1.0

    def micro_batches(self, order: Sequence[int], batch_size: int) -> list[list[int]]:
        """Consecutive chunks of the order; the last may be smaller."""
        return [list(order[start : start + batch_size]) for start in range(0, len(order), batch_size)]

    def loss(self, batch: Noised) -> BatchLoss:
        """Sum over pictures of the mean squared error of the predicted noise (or velocity)."""
        context = torch.autocast(self._device.type, self._autocast) if self._autocast else contextlib.nullcontext()
        with context:
            predicted = self.module(batch.noisy, batch.timesteps, batch.text).sample  # (B, C, h, w)
        error = (predicted.float() - batch.target).square().flatten(1).mean(1)  # (B,)
        return BatchLoss(total=error.sum(), weight=float(len(error)))

    def measure(self, stopped: Callable[[], bool]) -> dict[str, float]:
        """Nothing: the loss says it all."""
        return {}

    def collate(self, indices: Sequence[int], draw: Draw, part: str = "train") -> Noised:
        """Cached latents with fresh noise; every picture's noise and timestep depend on ``draw`` and its id alone."""
        cached, levels = self.part(part), len(self.signal)
        normals = np.empty((len(indices), 2, *cached.mean.shape[1:]), dtype=np.float32)
        timesteps = torch.empty(len(indices), dtype=torch.int64)
        for place, index in enumerate(indices):
            random = generator(draw, cached.ids[index])
            random.standard_normal(dtype=np.float32, out=normals[place])
            timesteps[place] = _timestep(random, draw, levels)
        rows = torch.as_tensor(indices)
        posterior, noise = torch.from_numpy(normals).unbind(1)  # (B, C, h, w) each
        latents = (cached.mean[rows] + cached.std[rows] * posterior) * cached.scale
        signal, level = self.signal[timesteps].view(-1, 1, 1, 1), self.noise_level[timesteps].view(-1, 1, 1, 1)
        target = signal * noise - level * latents if self.predicts_velocity else noise
        return Noised(
            noisy=(signal * latents + level * noise).to(self._device, self._dtype, non_blocking=True),
            timesteps=timesteps.to(self._device, non_blocking=True),
            target=target.to(self._device, non_blocking=True),
            text=cached.embeddings[cached.caption_row[rows]].to(self._device, self._dtype, non_blocking=True),
        )


def _timestep(random: np.random.Generator, draw: Draw, levels: int) -> int:
    """Uniform in training; in evaluation one draw from each of equal ranges, so that few repeats cover all levels."""
    if draw.purpose == "train":
        return int(random.integers(levels))
    width = levels / EVALUATION_TIMESTEPS
    return int((draw.occurrence % EVALUATION_TIMESTEPS + random.random()) * width)


def _noise_levels(schedule: dict[str, Any]) -> tuple[Tensor, Tensor]:
    from diffusers import DDPMScheduler

    products = DDPMScheduler.from_config(schedule).alphas_cumprod.float()
    return products.sqrt(), (1.0 - products).sqrt()


def build(spec: Spec, base: Base, prepared: Prepared, runtime: Runtime) -> DiffusionTrainable:
    """The UNet alone (VAE and text encoder are not loaded), frozen, with LoRA at ``lora.targets``."""
    unet = base_model.load_unet(base.path, getattr(torch, runtime.dtype))
    lora = spec.lora
    targets = resolve_targets(unet, lora.targets)
    inject(unet, targets=targets, rank=lora.rank, alpha=lora.alpha, dropout=lora.dropout, seed=spec.training.seed)
    unet.to(runtime.device)
    parts = {part: load_part(prepared, part) for part in ("train", "evaluation")}
    return DiffusionTrainable(unet, base_model.load_noise_schedule(base.path), parts, runtime)
