"""A Whisper's variables under the names that Hugging Face's ``WhisperForConditionalGeneration`` gives them.

CTranslate2 lays the query, key and value of an attention one under the other in one matrix; they are taken apart.
Nothing is computed, so the weights stay what they are, bit for bit.
"""

from collections.abc import Sequence

import numpy as np
from ct2 import BadModelError, Model

SPARE = {"decoder/projection/weight"}  # the embeddings once more


class _Renaming:
    """Weights collected under new names, and which variables they were."""

    def __init__(self, model: Model) -> None:
        self.weights: dict[str, np.ndarray] = {}
        self._variables, self._used = model.variables, set(SPARE)

    def get(self, name: str) -> np.ndarray:
        if name not in self._variables:
            raise BadModelError(f"model.bin: the variable {name} is missing")
        value = self._variables[name]
        if value.dtype.kind != "f":
            raise BadModelError(f"model.bin: {name} is stored as {value.dtype}, and only float16 and float32 are known")
        self._used.add(name)
        return value

    def linear(self, new: str, old: str) -> None:
        """A weight and its bias."""
        for part in ("weight", "bias"):
            self.weights[f"{new}.{part}"] = self.get(f"{old}/{part}")

    def norm(self, new: str, old: str) -> None:
        """A layer normalisation."""
        self.weights[f"{new}.weight"] = self.get(f"{old}/gamma")
        self.weights[f"{new}.bias"] = self.get(f"{old}/beta")

    def fused(self, new: str, old: str, names: Sequence[str]) -> None:
        """Linear layers that lie one under the other."""
        weights, biases = (np.split(self.get(f"{old}/{part}"), len(names)) for part in ("weight", "bias"))
        for name, weight, bias in zip(names, weights, biases, strict=True):
            self.weights[f"{new}.{name}.weight"] = weight
            if name != "k_proj":
                self.weights[f"{new}.{name}.bias"] = bias
            elif bias.any():
                raise BadModelError(f"model.bin: {old} has a bias for its keys, and a Whisper has none")

    def left_over(self) -> list[str]:
        """Variables with a shape (the others are settings) that nobody asked for."""
        return sorted(name for name, value in self._variables.items() if value.ndim and name not in self._used)


def num_layers(model: Model, side: str) -> int:
    """How many layers ``encoder`` or ``decoder`` has."""
    return len(
        {name.split("/")[1] for name in model.variables if name.startswith(f"{side}/layer_") and name.count("/") > 2}
    )


def rename(model: Model) -> dict[str, np.ndarray]:
    """Every weight under its new name; BadModelError names a variable that is missing, quantised or unknown."""
    if model.kind != "WhisperSpec":
        raise BadModelError(f"model.bin: holds a {model.kind}, not a Whisper")
    renaming = _Renaming(model)
    for side in ("encoder", "decoder"):
        new = f"model.{side}"
        renaming.weights[f"{new}.embed_positions.weight"] = renaming.get(f"{side}/position_encodings/encodings")
        renaming.norm(f"{new}.layer_norm", f"{side}/layer_norm")
        for layer in range(num_layers(model, side)):
            _layer(renaming, f"{new}.layers.{layer}", f"{side}/layer_{layer}", cross=side == "decoder")
    for convolution in ("conv1", "conv2"):
        renaming.linear(f"model.encoder.{convolution}", f"encoder/{convolution}")
    renaming.weights["model.decoder.embed_tokens.weight"] = renaming.get("decoder/embeddings/weight")
    if left := renaming.left_over():
        raise BadModelError(f"model.bin: a Whisper has no variable {left[0]} ({len(left)} such in all)")
    return renaming.weights


def _layer(renaming: _Renaming, new: str, old: str, *, cross: bool) -> None:
    """One layer; ``cross``: with attention to the encoder."""
    renaming.fused(f"{new}.self_attn", f"{old}/self_attention/linear_0", ("q_proj", "k_proj", "v_proj"))
    renaming.linear(f"{new}.self_attn.out_proj", f"{old}/self_attention/linear_1")
    renaming.norm(f"{new}.self_attn_layer_norm", f"{old}/self_attention/layer_norm")
    if cross:
        renaming.linear(f"{new}.encoder_attn.q_proj", f"{old}/attention/linear_0")
        renaming.fused(f"{new}.encoder_attn", f"{old}/attention/linear_1", ("k_proj", "v_proj"))
        renaming.linear(f"{new}.encoder_attn.out_proj", f"{old}/attention/linear_2")
        renaming.norm(f"{new}.encoder_attn_layer_norm", f"{old}/attention/layer_norm")
    for number in (1, 2):
        renaming.linear(f"{new}.fc{number}", f"{old}/ffn/linear_{number - 1}")
    renaming.norm(f"{new}.final_layer_norm", f"{old}/ffn/layer_norm")
