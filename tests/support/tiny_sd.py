"""A random Stable Diffusion 1.x-shaped model of 0.6 million weights, made in code.

Heads and norm groups are those of SD 1.5, and so is the vocabulary: only widths and depths differ.
"""

from pathlib import Path


def write_tiny_base(folder: Path, *, vae_blocks: int = 2, num_merges: int | None = None) -> None:
    """Write a whole diffusers folder in fp32, with CLIP's tokenizer, or only its first merges.

    Latents have half the side of the picture for each block of the VAE but the first.
    """
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from loraruner.families.diffusion.original_layout import template

    torch.manual_seed(0)
    widths = {"block_out_channels": [32, 64], "layers_per_block": 1}
    unet = template("unet") | widths | {"cross_attention_dim": 24}
    unet |= {"down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"]}
    unet |= {"up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}
    vae = template("vae") | {"block_out_channels": [32] * vae_blocks, "layers_per_block": 2}
    vae |= {"down_block_types": ["DownEncoderBlock2D"] * vae_blocks}
    vae |= {"up_block_types": ["UpDecoderBlock2D"] * vae_blocks}
    text = template("text_encoder") | {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2}
    vocabulary, merges = _first(num_merges)
    text |= {"vocab_size": len(vocabulary), "bos_token_id": len(vocabulary) - 2}
    text |= {"eos_token_id": len(vocabulary) - 1, "pad_token_id": len(vocabulary) - 1}
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


def _first(num_merges: int | None) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's vocabulary as far as the first merges need it: letters, merged tokens, both specials."""
    from loraruner.families.diffusion.single_file import clip_vocabulary

    vocabulary, merges = clip_vocabulary()
    if num_merges is None:
        return vocabulary, merges
    tokens = list(vocabulary)
    kept = [*tokens[: len(tokens) - 2 - len(merges) + num_merges], *tokens[-2:]]
    return {token: number for number, token in enumerate(kept)}, merges[:num_merges]
