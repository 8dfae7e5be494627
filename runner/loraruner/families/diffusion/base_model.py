"""Opening a Stable Diffusion 1.x base without any network: a diffusers folder or one original-layout file.

Every loader raises DataInvalid when weights and config do not fit; modules are on the CPU, in eval mode.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner.errors import DataInvalid, InputMissing
from loraruner.families.diffusion import diffusers_folder, original_layout, single_file
from loraruner.pretrained.weights import refuse_pickle

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer


def check_base(path: Path) -> None:
    """Raise DataInvalid unless ``path`` is a whole, harmless SD 1.x base (absent: InputMissing); no torch."""
    if path.is_dir():
        diffusers_folder.check(path)
    elif path.is_file():
        refuse_pickle(path)
        original_layout.check(path)
    else:
        raise InputMissing(f"{path}: there is no such base model; check $.model.base")


def load_unet(path: Path, dtype: torch.dtype) -> UNet2DConditionModel:
    """The UNet in ``dtype``."""
    return _load_part("unet", path, dtype)


def load_vae(path: Path) -> AutoencoderKL:
    """The VAE in fp32: it loses detail, or overflows, in less."""
    import torch

    return _load_part("vae", path, torch.float32)


def load_text_encoder(path: Path) -> CLIPTextModel:
    """The text encoder in fp32."""
    import torch

    return _load_part("text_encoder", path, torch.float32)


def load_tokenizer(path: Path) -> CLIPTokenizer:
    """The tokenizer; ``model_max_length`` is the number of positions of the text encoder."""
    from transformers import CLIPTokenizer

    if path.is_file():
        return single_file.load_tokenizer(path)
    return CLIPTokenizer.from_pretrained(path / "tokenizer", local_files_only=True)


def load_noise_schedule(path: Path) -> dict[str, Any]:
    """The scheduler's config: betas, ``num_train_timesteps``, ``prediction_type``; loads no torch."""
    if path.is_file():
        return original_layout.configs(path)["scheduler"]
    return diffusers_folder.read_config(path / "scheduler" / "scheduler_config.json")


def load_pipeline(path: Path) -> StableDiffusionPipeline:
    """All parts in fp32 for sampling, always with DDIM, so that pictures of several bases compare."""
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    plain = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}
    pipeline = StableDiffusionPipeline(
        unet=load_unet(path, torch.float32),
        vae=load_vae(path),
        text_encoder=load_text_encoder(path),
        tokenizer=load_tokenizer(path),
        scheduler=DDIMScheduler.from_config(load_noise_schedule(path) | plain),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _load_part(part: str, path: Path, dtype: torch.dtype) -> Any:
    """One module of a folder or a file; DataInvalid when its weights and its config do not fit."""
    if path.is_file():
        return single_file.load_part(part, path, dtype)
    import diffusers
    import transformers

    transformers.utils.logging.disable_progress_bar()  # progress is shown by the command line alone

    name, stem = diffusers_folder.WEIGHTED[part]
    weights = diffusers_folder.weights_file(path, part)
    kind: Any = getattr(transformers if part == "text_encoder" else diffusers, name)
    try:
        module, report = kind.from_pretrained(
            str(path / part),
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            variant="fp16" if weights.name != f"{stem}.safetensors" else None,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataInvalid(f"{weights}: cannot be loaded ({reason}); fetch the model again") from error
    if report["missing_keys"]:
        first = min(report["missing_keys"])
        raise DataInvalid(f"{weights}: tensors of the {part} are missing, first {first}; fetch the model again")
    return module.eval()
