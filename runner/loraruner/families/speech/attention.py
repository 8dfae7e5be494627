"""Cross-attention on encoder states without their keys and values.

A piece has 1500 frames and its transcript some 20 tokens, so most of a decoder's step is projecting frames to keys and
values, in every layer anew. Attention (arXiv 1706.03762) is linear in both, so the weights may as well be applied on
the side of the tokens: with states X, the scores of head h are (q_h W_k,h) X^T, and its output is
(softmax(scores) X) W_v,h^T + b_v,h. That is the same function of the same parameters, those of LoRA included, and
differs in the order of summation alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from loraruner.adapters.inject import ADAPTER


@contextmanager
def unprojected(decoder: nn.Module) -> Iterator[None]:
    """Within it, the cross-attention of a Whisper ``decoder`` builds no keys and values where that is less work.

    Layers whose LoRA drops frames of keys or values, and decoding with a cache of them, are computed as ever.
    """
    layers: Any = decoder.layers
    for layer in layers:
        layer.encoder_attn.forward = partial(_forward, layer.encoder_attn)  # hides the method of the class
    try:
        yield
    finally:
        for layer in layers:
            del layer.encoder_attn.forward


def is_less_work(num_tokens: int, num_heads: int, width: int) -> bool:
    """Whether weighing the frames once for each token and head takes fewer operations than projecting them.

    A frame costs ``width`` multiply-adds for each row that it meets: ``num_heads`` rows a token against ``width`` rows
    of a projection. What decides is the longest row of the batch, so the same batch is always computed the same way.
    """
    return num_tokens * num_heads <= width


def _forward(
    attention: Any, hidden_states: Tensor, key_value_states: Tensor, past_key_values: Any = None, **options: Any
) -> tuple[Tensor, Tensor | None]:
    """What ``WhisperAttention.forward`` returns: (B, T, D), and the weights where it builds them."""
    short = is_less_work(hidden_states.shape[1], attention.num_heads, attention.embed_dim)
    if past_key_values is None and short and not (_drops(attention.k_proj) or _drops(attention.v_proj)):
        return _attend(attention, hidden_states, key_value_states), None
    plain: tuple[Tensor, Tensor | None] = type(attention).forward(
        attention, hidden_states, key_value_states, past_key_values, **options
    )
    return plain


def _attend(attention: Any, hidden: Tensor, states: Tensor) -> Tensor:
    """Attention of ``hidden`` (B, T, D) to ``states`` (B, S, D), projected out: (B, T, D)."""
    (batch, tokens, width), heads = hidden.shape, attention.num_heads
    query = attention.q_proj(hidden) * attention.scaling  # (B, T, D)
    query = query.view(batch * tokens, heads, -1).transpose(0, 1)  # (H, B * T, d)
    sought = _to_frames(attention.k_proj, query).view(heads, batch, tokens, width)
    scores = sought.transpose(0, 1).reshape(batch, heads * tokens, width) @ states.transpose(1, 2)  # (B, H * T, S)
    weights = scores.softmax(-1, dtype=torch.float32).to(states.dtype)
    found = (weights @ states).view(batch, heads, tokens, width)
    found = found.transpose(0, 1).reshape(heads, batch * tokens, width)  # (H, B * T, D)
    values = _from_frames(attention.v_proj, found)  # (H, B * T, d)
    out: Tensor = attention.out_proj(values.transpose(0, 1).reshape(batch, tokens, width))
    return out


def _to_frames(layer: nn.Module, query: Tensor) -> Tensor:
    """``query`` (H, N, d) times the rows of the layer's weight (D, D) that make each head's keys: (H, N, D)."""
    heads, _, depth = query.shape
    base, pair = _parts(layer)
    result = query @ base.weight.view(heads, depth, -1)
    if pair is not None:
        up, down, scale = pair
        change = query.to(up.dtype) @ up.view(heads, depth, -1) @ down * scale  # (H, N, D)
        result = (result + change).to(result.dtype)
    return result


def _from_frames(layer: nn.Module, found: Tensor) -> Tensor:
    """``found`` (H, N, D) through the rows of the layer that make each head's values: (H, N, d)."""
    heads, _, width = found.shape
    base, pair = _parts(layer)
    result = found @ base.weight.view(heads, -1, width).transpose(1, 2) + base.bias.view(heads, 1, -1)
    if pair is not None:
        up, down, scale = pair
        change = found.to(down.dtype) @ down.T @ up.view(heads, -1, len(down)).transpose(1, 2) * scale  # (H, N, d)
        result = (result + change).to(result.dtype)
    return result


def _parts(layer: Any) -> tuple[nn.Linear, tuple[Tensor, Tensor, float] | None]:
    """The frozen layer, and its LoRA where it carries one: B (D, r), A (r, D) and the scale."""
    if not isinstance(layer, LoraLayer):
        return layer, None
    base: Any = layer.get_base_layer()
    return base, (layer.lora_B[ADAPTER].weight, layer.lora_A[ADAPTER].weight, layer.scaling[ADAPTER])


def _drops(layer: Any) -> bool:
    """Whether LoRA in ``layer`` drops inputs now; it would, frame by frame."""
    return isinstance(layer, LoraLayer) and layer.training and isinstance(layer.lora_dropout[ADAPTER], nn.Dropout)
