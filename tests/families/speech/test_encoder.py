"""The log-mel is the library's; states are those of the encoder, whichever way they come."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from loraruner.data.lines import BadValue
from loraruner.families.base import Base, Draw
from loraruner.families.speech import encoder
from loraruner.families.speech.items import Item
from loraruner.families.speech.open_base import load_extractor, load_model

FRAMES = 100
DRAW = Draw(seed=1, purpose="train", epoch=0, occurrence=0, step=0)


@pytest.fixture
def model(base: Base) -> Any:
    return load_model(base, device="cpu", dtype="float32")


@pytest.fixture
def extractor(base: Base) -> Any:
    return load_extractor(base)


def noise(num_samples: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(scale=0.1, size=num_samples).astype(np.float32)


def expected_states(model: Any, extractor: Any, audio: Any) -> Tensor:
    """The encoder's states (1500, D) by the library's own path."""
    mel = extractor(audio, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        states: Tensor = model.model.encoder(mel).last_hidden_state[0]
    return states


def keep(folder: Path, model: Any, extractor: Any, audio: Sequence[Any], kind: str) -> list[Item]:
    """Pieces in files that hold their states or their audio."""
    items = []
    for place, sound in enumerate(audio):
        file = folder / f"{place}.safetensors"
        if kind == "states":
            encoder.write_states(file, encoder.encode_piece(model, extractor, sound, FRAMES))
        else:
            encoder.write_audio(file, sound)
        items.append(Item(f"c{place}", f"c{place}", "", (), "en", "transcribe", file))
    return items


@pytest.mark.parametrize("num_samples", [1, 160, 1_601, 40_000, 479_799, 479_801, 480_000, 480_500])
def test_the_log_mel_is_the_librarys(extractor: Any, num_samples: int) -> None:
    """Whatever the length, up to and past 30 s: equal to WhisperFeatureExtractor within 2e-5, in float32."""
    audio = noise(num_samples)
    expected = extractor(audio, sampling_rate=16_000, return_tensors="pt").input_features[0]
    found = encoder.log_mel(extractor, audio)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_silence_and_nothing_have_a_log_mel(extractor: Any) -> None:
    """Silence is the library's floor, and so is a clip without a sample."""
    expected = extractor(np.zeros(160, np.float32), sampling_rate=16_000, return_tensors="pt").input_features[0]
    for length in (0, 500):
        torch.testing.assert_close(encoder.log_mel(extractor, np.zeros(length, np.float32)), expected)


@pytest.mark.parametrize("kind", ["states", "audio"])
def test_states_are_the_encoders_cut_to_the_frames(model: Any, extractor: Any, tmp_path: Path, kind: str) -> None:
    """From the cache (to fp16) and from audio alike: (B, frames, D) in the model's type, in the order asked for."""
    audio = [noise(3_000), noise(9_000, 1)]
    items = keep(tmp_path, model, extractor, audio, kind)
    with torch.no_grad():
        found = encoder.States(model, extractor, FRAMES)(items[::-1])
    assert found.shape == (2, FRAMES, 16)
    assert found.dtype == torch.float32
    expected = torch.stack([expected_states(model, extractor, sound)[:FRAMES] for sound in audio[::-1]])
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3 if kind == "states" else 1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_stored_states_have_sixteen_bits(base: Base, extractor: Any, tmp_path: Path, dtype: str) -> None:
    """fp16 beside an fp32 base, bf16 beside a bf16 one; read back in the model's type."""
    model = load_model(base, device="cpu", dtype=dtype)
    states = encoder.encode_piece(model, extractor, noise(3_000), FRAMES)
    assert states.dtype == {"float32": torch.float16, "bfloat16": torch.bfloat16}[dtype]
    items = keep(tmp_path, model, extractor, [noise(3_000)], "states")
    assert torch.equal(encoder.States(model, extractor, FRAMES)(items)[0], states.to(getattr(torch, dtype)))


@pytest.mark.parametrize("weight", [1e6, float("nan")])
def test_states_that_cannot_be_kept_are_a_reason(model: Any, extractor: Any, weight: float) -> None:
    """Too large for fp16, or not a number: the clip is named bad rather than trained on."""
    model.model.encoder.layer_norm.weight.data.fill_(weight)
    with pytest.raises(BadValue, match="not finite"):
        encoder.encode_piece(model, extractor, noise(3_000), FRAMES)


def test_only_training_augments_and_only_audio(model: Any, extractor: Any, tmp_path: Path) -> None:
    """The log-mel of each piece passes through ``augment`` with the draw and the piece's id, when there is a draw."""
    seen: list[tuple[tuple[int, ...], Draw, str]] = []

    def silenced(mel: Tensor, draw: Draw, item_id: str) -> Tensor:
        seen.append((tuple(mel.shape), draw, item_id))
        return torch.full_like(mel, -1.5)

    audio = [noise(3_000), noise(9_000, 1)]
    items = keep(tmp_path / "audio", model, extractor, audio, "audio")
    states = encoder.States(model, extractor, FRAMES, augment=silenced)
    with torch.no_grad():
        plain, augmented = states(items), states(items, DRAW)
    assert seen == [((80, 3000), DRAW, "c0"), ((80, 3000), DRAW, "c1")]
    torch.testing.assert_close(augmented[0], augmented[1])
    assert not torch.allclose(plain[0], plain[1], atol=1e-2)
    kept = keep(tmp_path / "states", model, extractor, audio, "states")
    assert torch.equal(states(kept, DRAW), states(kept))


def test_a_trained_encoder_gets_gradients(model: Any, extractor: Any, tmp_path: Path) -> None:
    """States from audio carry the graph of the encoder where grad is enabled."""
    items = keep(tmp_path, model, extractor, [noise(3_000)], "audio")
    weight = model.model.encoder.layers[0].self_attn.q_proj.weight.requires_grad_(True)
    states = encoder.States(model, extractor, FRAMES)(items)
    (gradient,) = torch.autograd.grad(states.sum(), [weight])
    assert gradient.abs().sum() > 0


def test_a_dropped_encoder_is_not_asked(model: Any, extractor: Any, tmp_path: Path) -> None:
    """Cached states come on the decoder's device though the encoder has no weights any more."""
    items = keep(tmp_path, model, extractor, [noise(3_000)], "states")
    model.model.encoder.to("meta")
    assert encoder.States(model, extractor, FRAMES)(items).device.type == "cpu"
