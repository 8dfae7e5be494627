"""Whispers are opened from local files, in the type asked for, with nothing made up."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from loraruner.errors import DataInvalid
from loraruner.families.base import Base
from loraruner.families.speech.open_base import load_extractor, load_model, load_skeleton, load_tokenizer
from tests.support.tiny_whisper import edit_json, write_tiny_whisper


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Base:
    """A base of this test's own."""
    return Base(Path(shutil.copytree(tiny_folder, tmp_path / "base")), "", "")


def store_in_fp16(folder: Path) -> None:
    tensors = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    edit_json(folder / "config.json", dtype="float16")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_type_is_what_was_asked_for(copy: Base, dtype: str) -> None:
    """A base stored in fp16 computes in fp32 or bf16, frozen, in eval mode."""
    store_in_fp16(copy.path)
    model = load_model(copy, device="cpu", dtype=dtype)
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any(module.training for module in model.modules())


def test_training_draws_no_random_number_of_the_base(base: Base) -> None:
    """Dropout, attention dropout and layer drop of the base are off even in train mode: two passes are equal."""
    model = load_model(base, device="cpu", dtype="float32").train()
    mel, tokens = torch.zeros(1, 80, 3000), torch.arange(6)[None]
    with torch.no_grad():
        first, second = (model(input_features=mel, decoder_input_ids=tokens).logits for _ in range(2))
    assert torch.equal(first, second)


def test_the_skeleton_has_the_layers_and_no_weights(base: Base) -> None:
    """Its modules are those of the loaded model, on the meta device."""
    skeleton, model = load_skeleton(base), load_model(base, device="cpu", dtype="float32")
    assert [name for name, _ in skeleton.named_modules()] == [name for name, _ in model.named_modules()]
    assert {parameter.device.type for parameter in skeleton.parameters()} == {"meta"}


def test_missing_weights_are_never_made_up(copy: Base) -> None:
    """A base without one of its tensors is DataInvalid; transformers alone would start it at random."""
    tensors = load_file(copy.path / "model.safetensors")
    del tensors["model.encoder.layer_norm.weight"]
    save_file(tensors, copy.path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataInvalid, match=r"1 weights are missing, first model\.encoder\.layer_norm\.weight"):
        load_model(copy, device="cpu", dtype="float32")


def test_weights_of_another_size_are_refused(copy: Base) -> None:
    """A config.json of another size than the weights is one sentence, not a model of random numbers."""
    edit_json(copy.path / "config.json", d_model=32)
    with pytest.raises(DataInvalid, match="transformers cannot load it"):
        load_model(copy, device="cpu", dtype="float32")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "generation_config.json",
            {"suppress_tokens": ["a"]},
            r"\$\.suppress_tokens in its gen.* is no list of tokens",
        ),
        ("generation_config.json", {"begin_suppress_tokens": [True]}, r"\$\.begin_suppress_tokens in its"),
        ("generation_config.json", {"suppress_tokens": 7}, "transformers cannot load it"),
        ("config.json", {"d_model": "16"}, "transformers cannot load it"),
        ("config.json", {"attn_implementation": "flash_attention_2"}, "transformers cannot load it"),
    ],
)
def test_settings_of_a_wrong_type_are_refused(copy: Base, name: str, changes: dict[str, object], message: str) -> None:
    """Whatever goes wrong with them in transformers, it is one sentence about the base."""
    edit_json(copy.path / name, **changes)
    with pytest.raises(DataInvalid, match=message):
        load_model(copy, device="cpu", dtype="float32")


def drop_a_tag(name: str) -> Callable[[Path], None]:
    def drop(folder: Path) -> None:
        for path in (folder / "tokenizer.json", folder / "tokenizer_config.json"):
            path.write_text(path.read_text().replace(f"<|{name}|>", "<|other|>"))

    return drop


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop_a_tag("notimestamps"), r"its tokenizer has no <\|notimestamps\|>"),
        (drop_a_tag("transcribe"), r"its tokenizer has no <\|transcribe\|>"),
        (lambda folder: edit_json(folder / "config.json", decoder_start_token_id=3), "is another model's .*and 3 in"),
        (lambda folder: edit_json(folder / "config.json", vocab_size=300), r"the last token is \d+ of 300"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "transformers cannot load it"),
        (
            lambda folder: (folder / "normalizer.json").write_text('{"harbour": 3}'),
            r"its normalizer\.json is no object",
        ),
        (lambda folder: (folder / "normalizer.json").write_text('["harbour"]'), r"its normalizer\.json is no object"),
    ],
)
def test_the_tokenizer_of_another_model_is_refused(copy: Base, edit: Callable[[Path], None], message: str) -> None:
    """One without Whisper's tags, or whose numbers are not those of the weights, is DataInvalid."""
    edit(copy.path)
    with pytest.raises(DataInvalid, match=message):
        load_tokenizer(copy)


def test_every_kind_of_whisper_opens(tmp_path: Path) -> None:
    """128 mel bins, English only, no generation settings: weights, tokenizer and log-mel settings load."""
    write_tiny_whisper(tmp_path, num_mel_bins=128, multilingual=False, layers=1)
    (tmp_path / "generation_config.json").unlink()
    base = Base(tmp_path, "", "")
    assert load_model(base, device="cpu", dtype="float32").config.num_mel_bins == 128
    assert load_extractor(base).feature_size == 128
    assert load_tokenizer(base).convert_ids_to_tokens(259) == "<|startoftranscript|>"
