"""Which layers of a Whisper carry LoRA."""

from pathlib import Path
from typing import Any

import pytest
from transformers import WhisperConfig

from loraruner.errors import SpecInvalid
from loraruner.families.base import Base
from loraruner.families.speech.open_base import load_skeleton
from loraruner.families.speech.targets import resolve_targets, trains_encoder
from tests.support.tiny_speech import spec_with

ATTENTION = {"q_proj", "k_proj", "v_proj", "out_proj"}
RANK = 8


@pytest.mark.parametrize(
    ("width", "heads", "encoder_layers", "decoder_layers", "num_mel_bins", "num_modules", "num_parameters"),
    [
        (384, 6, 4, 4, 80, 16, 98_304),
        (512, 8, 6, 6, 80, 24, 196_608),
        (768, 12, 12, 12, 80, 48, 589_824),
        (1024, 16, 24, 24, 80, 96, 1_572_864),
        (1280, 20, 32, 32, 128, 128, 2_621_440),
        (1280, 20, 32, 4, 128, 16, 327_680),
    ],
    ids=["tiny", "base", "small", "medium", "large-v3", "turbo"],
)
def test_the_default_of_every_size(
    tmp_path: Path,
    width: int,
    heads: int,
    encoder_layers: int,
    decoder_layers: int,
    num_mel_bins: int,
    num_modules: int,
    num_parameters: int,
) -> None:
    """Query and value of both attentions of each decoder layer: as many modules and, at rank 8, parameters as known."""
    WhisperConfig(
        d_model=width,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        num_mel_bins=num_mel_bins,
    ).save_pretrained(tmp_path)
    skeleton = load_skeleton(Base(path=tmp_path, digest="ab" * 32, uri="hf://org/whisper@main"))
    paths = resolve_targets(skeleton, "default")
    layers: list[Any] = [skeleton.get_submodule(path) for path in paths]
    assert len(paths) == num_modules == 4 * decoder_layers
    assert sum(RANK * (layer.in_features + layer.out_features) for layer in layers) == num_parameters
    assert all(path.startswith("model.decoder.layers.") for path in paths)
    assert all(parameter.is_meta for parameter in skeleton.parameters())


@pytest.mark.parametrize(
    ("targets", "decoder", "encoder"),
    [
        ("default", {"q_proj", "v_proj"}, set()),
        ("attention", ATTENTION, set()),
        ("decoder-linear", {*ATTENTION, "fc1", "fc2"}, set()),
        ("encoder", {"q_proj", "v_proj"}, {"q_proj", "v_proj"}),
        ("all-linear", {*ATTENTION, "fc1", "fc2"}, {*ATTENTION, "fc1", "fc2"}),
        (("encoder_attn.q_proj", "fc2"), {"q_proj", "fc2"}, {"fc2"}),
        (("model.decoder.layers.1.self_attn.k_proj",), {"k_proj"}, set()),
    ],
)
def test_words_and_names_find_their_layers(
    base: Base, targets: str | tuple[str, ...], decoder: set[str], encoder: set[str]
) -> None:
    """Each selects its layers in decoder and encoder, never the output head, and tells whether the encoder changes."""
    paths = resolve_targets(load_skeleton(base), targets)
    assert {path.rpartition(".")[2] for path in paths if path.startswith("model.decoder.layers.")} == decoder
    assert {path.rpartition(".")[2] for path in paths if path.startswith("model.encoder.layers.")} == encoder
    assert all(".layers." in path for path in paths)
    assert trains_encoder(spec_with(targets=targets), base) == bool(encoder)


def test_both_attentions_of_every_decoder_layer_are_meant(base: Base) -> None:
    """The two layers of the tiny decoder have four modules each by default, eight with "attention"."""
    skeleton = load_skeleton(base)
    assert [len(resolve_targets(skeleton, word)) for word in ("default", "attention", "encoder")] == [8, 16, 12]


@pytest.mark.parametrize("name", ["to_q", "proj_out", "proj"])
def test_a_name_that_matches_nothing_is_a_fault_of_the_job(base: Base, name: str) -> None:
    """Unknown names, half names and the output head are refused at their place, with the names that there are."""
    with pytest.raises(SpecInvalid, match=rf"\$\.lora\.targets\[1\]: '{name}' .* it has fc1, fc2, k_proj"):
        resolve_targets(load_skeleton(base), ("q_proj", name))
