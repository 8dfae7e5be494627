"""What a kohya header says about a run (sd-scripts ``train_network.py``; ModelSpec 1.0.1)."""

from collections.abc import Mapping

from loraruner import __version__
from loraruner.adapters.kohya import kohya_metadata
from loraruner.families.base import Base
from loraruner.spec import ImageOptions, Spec


def kohya_header(spec: Spec, base: Base, num_images: int, facts: Mapping[str, str]) -> dict[str, str]:
    """Header strings: what training was, what the adapter is, and for which model."""
    training = _training_facts(spec, num_images, facts)
    return kohya_metadata({**training, **_model_facts(spec, base), **_modelspec(spec, facts)})


def _training_facts(spec: Spec, num_images: int, facts: Mapping[str, str]) -> dict[str, object]:
    training, lora = spec.training, spec.lora
    per_step = training.batch_size * training.gradient_accumulation_steps
    return {
        "ss_session_id": facts["session_id"],
        "ss_training_started_at": facts["started_at"],
        "ss_training_finished_at": facts["finished_at"],
        "ss_output_name": spec.name,
        "ss_seed": training.seed,
        "ss_num_train_images": num_images,
        "ss_num_reg_images": 0,
        "ss_num_batches_per_epoch": -(-num_images // training.batch_size),
        "ss_num_epochs": facts["epochs"],
        "ss_epoch": facts["epochs"],
        "ss_steps": facts["steps"],
        "ss_max_train_steps": facts["steps"],
        "ss_batch_size_per_device": training.batch_size,
        "ss_total_batch_size": per_step,
        "ss_gradient_accumulation_steps": training.gradient_accumulation_steps,
        "ss_learning_rate": training.learning_rate,
        "ss_unet_lr": training.learning_rate,
        "ss_text_encoder_lr": None,
        "ss_lr_scheduler": training.lr_scheduler,
        "ss_lr_warmup_steps": training.warmup_steps,
        "ss_optimizer": "torch.optim.AdamW",
        "ss_max_grad_norm": training.max_grad_norm,
        "ss_mixed_precision": facts["precision"],
        "ss_network_module": "networks.lora",
        "ss_network_dim": lora.rank,
        "ss_network_alpha": lora.alpha,
        "ss_network_dropout": lora.dropout,
        "ss_network_args": {"targets": lora.targets},
    }


def _model_facts(spec: Spec, base: Base) -> dict[str, object]:
    assert isinstance(spec.options, ImageOptions)
    side = spec.options.resolution
    return {
        "ss_v2": False,
        "ss_base_model_version": "sd_v1",
        "ss_clip_skip": None,
        "ss_sd_model_name": base.uri.rstrip("/").rsplit("/", 1)[-1],
        "ss_new_sd_model_hash": base.digest,
        "ss_cache_latents": True,
        "ss_resolution": f"({side}, {side})",
        "ss_enable_bucket": False,
    }


def _modelspec(spec: Spec, facts: Mapping[str, str]) -> dict[str, object]:
    assert isinstance(spec.options, ImageOptions)
    labels = {"license": "modelspec.license", "purpose": "modelspec.description", "team": "modelspec.author"}
    side = spec.options.resolution
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.implementation_version": f"loraruner/{__version__}",
        "modelspec.title": spec.name,
        "modelspec.resolution": f"{side}x{side}",
        "modelspec.date": facts["finished_at_iso"],
        "modelspec.prediction_type": facts.get("prediction_type", "epsilon"),
        **{key: spec.labels[label] for label, key in labels.items() if label in spec.labels},
    }
