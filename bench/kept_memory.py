"""What a forward pass keeps for the backward pass, beside the constants of ``loraruner.advice.memory``.

Counted are the distinct storages that autograd saves, frozen weights left out, in bf16 on the CPU, on random models of
the real widths; of language models and Whisper's decoder the difference of three layers and one. Attention is the fused
one, as on a GPU. What the backward pass needs for a moment, and what a GPU's libraries take, is not in it.
"""

import sys
from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import init_empty_weights
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, WhisperConfig, WhisperForConditionalGeneration

from loraruner.adapters.inject import inject
from loraruner.advice import memory
from loraruner.families.causal_lm import targets as text_targets
from loraruner.families.diffusion import targets as picture_targets
from loraruner.families.diffusion.original_layout import template
from loraruner.families.speech import targets as speech_targets
from loraruner.families.speech.attention import unprojected

SIDES_PX = (256, 512)
NUM_TOKENS, NUM_LABELS = 256, (20, 40, 100)
TEXT_SIZES = ((256, 512), (512, 512), (256, 1024), (512, 2048))  # width, inner width
SPEECH_SIZES = ((512, 8), (1280, 20))  # width and heads of whisper-base and -large


def kept_bytes(module: nn.Module, forward: Callable[[], Tensor]) -> int:
    """Bytes of all storages saved in ``forward`` that are no parameters."""
    frozen = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    saved: dict[int, object] = {}

    def keep(tensor: Tensor) -> Tensor:
        saved.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage())
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16):
        out = forward()
    total = sum(storage.nbytes() for place, storage in saved.items() if place not in frozen)  # type: ignore[attr-defined]
    del out
    return total


def with_lora(module: nn.Module, paths: Sequence[str], rank: int) -> nn.Module:
    """In bf16, the adapter in fp32, in training."""
    module.requires_grad_(False)
    inject(module, targets=paths, rank=rank, alpha=rank, dropout=0.0, seed=0)
    return module.train()


def unet() -> None:
    """Of Stable Diffusion 1.5, for each pixel of the picture."""
    with init_empty_weights():
        model = UNet2DConditionModel.from_config(template("unet"))
    model = model.to_empty(device="cpu").to(torch.bfloat16)
    for parameter in model.parameters():
        parameter.data.fill_(1e-3)
    model = with_lora(model, picture_targets.resolve_targets(model, "default"), 8)
    text = torch.randn(1, 77, 768, dtype=torch.bfloat16)
    for side in SIDES_PX:
        latents = torch.randn(1, 4, side // 8, side // 8, dtype=torch.bfloat16)
        kept = kept_bytes(model, lambda: model(latents, torch.zeros(1, dtype=torch.int64), text).sample)  # noqa: B023
        row(f"UNet at {side} px", "bytes a pixel", f"{kept / side**2:.0f}", str(memory.KEPT_PIXEL))


def language_model() -> None:
    """Of a Llama, for each token and layer: the best fit of width and inner width."""
    for words, counted in memory.KEPT_TOKEN.items():
        kept = [_by_layer(lambda n: _llama(n, width, inner, words)) / NUM_TOKENS for width, inner in TEXT_SIZES]  # noqa: B023
        fitted = np.linalg.lstsq(np.array(TEXT_SIZES, float), np.array(kept), rcond=None)[0]
        told = " and ".join(f"{each:.1f}" for each in fitted)
        row(
            f"Llama, {words}",
            "bytes a token and layer, by width and inner width",
            told,
            f"{counted[0]} and {counted[1]}",
        )


def _llama(num_layers: int, width: int, inner: int, words: str) -> int:
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=num_layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
    )
    whole = LlamaForCausalLM(config).to(torch.bfloat16)
    with_lora(whole, text_targets.resolve_targets(whole, words), 16)
    ids = torch.zeros(1, NUM_TOKENS, dtype=torch.int64)
    return kept_bytes(whole, lambda: whole.base_model(input_ids=ids, use_cache=False).last_hidden_state)


def decoder() -> None:
    """Of Whisper on cached states, for each frame, layer and unit of width."""
    for width, heads in SPEECH_SIZES:
        for labels in NUM_LABELS:
            kept = _by_layer(lambda n: _whisper(n, width, heads, labels))  # noqa: B023
            name = f"Whisper's decoder, width {width}, {labels} tokens"
            row(name, "bytes a frame and unit", f"{kept / memory.FRAMES / width:.1f}", f"at most {memory.KEPT_FRAME}")


def _whisper(num_layers: int, width: int, heads: int, labels: int) -> int:
    config = WhisperConfig(
        vocab_size=600,
        d_model=width,
        encoder_layers=1,
        decoder_layers=num_layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
    )
    model = WhisperForConditionalGeneration(config).to(torch.bfloat16)
    with_lora(model, speech_targets.resolve_targets(model, "default"), 8)
    states, ids = torch.randn(1, memory.FRAMES, width, dtype=torch.bfloat16), torch.zeros(1, labels, dtype=torch.int64)

    def forward() -> Tensor:
        with unprojected(model.model.decoder):
            out = model.model.decoder(input_ids=ids, encoder_hidden_states=states, use_cache=False)
        hidden: Tensor = out.last_hidden_state
        return hidden

    return kept_bytes(model, forward)


def _by_layer(kept: Callable[[int], int]) -> float:
    """Of one layer among others."""
    return (kept(3) - kept(1)) / 2


def row(*cells: str) -> None:
    """One line of the table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print one table; ``quick`` leaves the UNet out, which takes 4 GB and half a minute."""
    row("what", "unit", "counted", "the estimate takes")
    row("---", "---", "---", "---")
    if "quick" not in sys.argv[1:]:
        unet()
    language_model()
    decoder()


if __name__ == "__main__":
    main()
