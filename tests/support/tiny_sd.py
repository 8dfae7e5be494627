"""A random Stable Diffusion 1.x-shaped model of 0.6 million weights, made in code.

Heads and norm groups are those of SD 1.5, and so is the vocabulary: only widths and depths differ.
"""

from pathlib import Path


def write_tiny_base(folder: Path) -> None:
    """Write a whole diffusers folder in fp32, with CLIP's tokenizer."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from loraruner.families.diffusion.original_layout import template
    from loraruner.families.diffusion.single_file import clip_vocabulary

    torch.manual_seed(0)
    widths = {"block_out_channels": [32, 64], "layers_per_block": 1}
    unet = template("unet") | widths | {"cross_attention_dim": 24}
    unet |= {"down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"]}
    unet |= {"up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}
    vae = template("vae") | {"block_out_channels": [32, 32], "layers_per_block": 2}
    vae |= {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    text = template("text_encoder") | {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2}
    vocabulary, merges = clip_vocabulary()
    StableDiffusionPipeline(
        unet=UNet2DConditionModel.from_config(unet),
        vae=AutoencoderKL.from_config(vae),
        text_encoder=CLIPTextModel(CLIPTextConfig(**text)),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77),
        scheduler=DDIMScheduler.from_config(template("scheduler")),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
