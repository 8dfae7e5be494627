"""The exported PEFT folder is the trained Whisper adapter, and whatever differs from it is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModel, PeftModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from loraruner.adapters.inject import lora_layers
from loraruner.errors import IntegrityError
from loraruner.families.base import Base, Prepared
from loraruner.families.speech import FAMILY
from loraruner.families.speech.open_base import load_model
from loraruner.families.speech.trainable import SpeechTrainable
from loraruner.spec import Spec
from tests.support.tiny_speech import DRAW, build, prepared, spec_with

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def states_cache(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(Base(tiny_folder, "ab" * 32, "hf://org/tiny@main"), tmp_path_factory.mktemp("states"))


@pytest.fixture(scope="module")
def audio_cache(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(Base(tiny_folder, "ab" * 32, "hf://org/tiny@main"), tmp_path_factory.mktemp("audio"), audio=True)


def exported(spec: Spec, base: Base, cache: Prepared, folder: Path, *, trained: bool = True) -> SpeechTrainable:
    """Build, train as it were, and export into ``folder``."""
    trainable = build(spec, base, cache, trained=trained)
    FAMILY.export(spec, base, trainable, folder, {"session_id": "1"})
    return trainable


def edit_tensors(folder: Path, edit: Callable[[Tensors], object]) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def scale_one(tensors: Tensors) -> None:
    tensors[min(tensors)].mul_(1.01)


def drop_one(tensors: Tensors) -> None:
    path = min(tensors).rsplit(".", 2)[0]
    for name in [name for name in tensors if name.startswith(path)]:
        del tensors[name]


def move_one(tensors: Tensors) -> None:
    tensors[min(tensors).replace("decoder", "encoder")] = tensors.pop(min(tensors))


def test_the_folder_loads_in_peft_with_the_trained_effect(base: Base, states_cache: Prepared, tmp_path: Path) -> None:
    """With alpha of four times the rank, PEFT on a fresh base computes what the trained module does."""
    trainable = exported(spec_with(), base, states_cache, tmp_path)
    (artifact,) = FAMILY.verify(spec_with(), base, trainable, tmp_path)
    assert (artifact.name, artifact.format, artifact.num_modules) == ("adapter_model.safetensors", "peft", 8)
    assert artifact.max_difference < 1e-5
    fresh = load_model(base, device="cpu", dtype="float32")
    batch = trainable.collate([3], DRAW)
    with torch.no_grad():
        heard = {"encoder_outputs": (batch.states,), "decoder_input_ids": batch.ids, "use_cache": False}
        untouched = fresh(**heard).logits.clone()
        loaded = PeftModel.from_pretrained(fresh, str(tmp_path))(**heard).logits
        trained = trainable.module.eval()(**heard).logits
    torch.testing.assert_close(loaded, trained)
    assert (loaded - untouched).abs().max() > 0.1


def test_the_encoder_is_not_wrapped_by_accident(base: Base, states_cache: Prepared, tmp_path: Path) -> None:
    """The same layer names exist in the encoder: what PEFT wraps by the exported config is the decoder alone."""
    trainable = exported(spec_with(), base, states_cache, tmp_path)
    loaded = PeftModel.from_pretrained(load_model(base, device="cpu", dtype="float32"), str(tmp_path))
    wrapped = [path for path, _ in lora_layers(loaded.get_base_model())]
    assert wrapped == [path for path, _ in lora_layers(trainable.module)]
    assert len(wrapped) == 8 and all("decoder" in path for path in wrapped)


def test_peft_finds_the_class_of_the_base(base: Base, states_cache: Prepared, tmp_path: Path) -> None:
    """AutoPeftModel, given the folder alone, makes a Whisper of the named base with the adapter on it."""
    local = replace(base, uri=str(base.path))
    trainable = exported(spec_with(), local, states_cache, tmp_path)
    loaded = AutoPeftModel.from_pretrained(str(tmp_path), dtype=torch.float32).eval()
    assert isinstance(loaded.get_base_model(), WhisperForConditionalGeneration)
    batch = trainable.collate([0], DRAW)
    heard = {"encoder_outputs": (batch.states,), "decoder_input_ids": batch.ids, "use_cache": False}
    with torch.no_grad():
        torch.testing.assert_close(loaded(**heard).logits, trainable.module.eval()(**heard).logits)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda folder: edit_tensors(folder, scale_one),
        lambda folder: edit_tensors(folder, drop_one),
        lambda folder: edit_tensors(folder, move_one),
        lambda folder: edit_tensors(folder, lambda tensors: [tensor.zero_() for tensor in tensors.values()]),
        lambda folder: edit_config(folder, lora_alpha=4),
        lambda folder: edit_config(folder, r=16, lora_alpha=4),
        lambda folder: edit_config(folder, use_rslora=True),
        lambda folder: edit_config(folder, target_modules=["q_proj", "v_proj"]),
        lambda folder: edit_config(folder, target_modules=["encoder_attn.q_proj", "encoder_attn.v_proj"]),
    ],
    ids=["scaled", "dropped", "moved", "zeroed", "alpha", "swapped", "rslora", "encoder too", "fewer"],
)
def test_a_file_that_differs_is_refused(
    base: Base, states_cache: Prepared, tmp_path: Path, mutate: Callable[[Path], None]
) -> None:
    """One tensor off by 1 %, a module gone or elsewhere, another scale, other layers: each is IntegrityError."""
    trainable = exported(spec_with(), base, states_cache, tmp_path)
    mutate(tmp_path)
    with pytest.raises(IntegrityError, match=r"adapter_model\.safetensors"):
        FAMILY.verify(spec_with(), base, trainable, tmp_path)


def test_an_adapter_without_effect_is_refused(base: Base, states_cache: Prepared, tmp_path: Path) -> None:
    """An adapter that was never trained (B is zero) fails the check."""
    trainable = exported(spec_with(), base, states_cache, tmp_path, trained=False)
    with pytest.raises(IntegrityError, match="does not change the model's output"):
        FAMILY.verify(spec_with(), base, trainable, tmp_path)


@pytest.mark.parametrize(
    ("targets", "num_modules"),
    [("attention", 16), ("decoder-linear", 20), (("model.decoder.layers.1.fc1",), 1), (("encoder_attn.k_proj",), 2)],
    ids=["attention", "decoder-linear", "one path", "an ending"],
)
def test_every_layer_can_be_exported(
    base: Base, states_cache: Prepared, tmp_path: Path, targets: str | tuple[str, ...], num_modules: int
) -> None:
    """Other layers of the decoder survive the round trip."""
    spec = spec_with(targets=targets)
    (artifact,) = FAMILY.verify(spec, base, exported(spec, base, states_cache, tmp_path), tmp_path)
    assert artifact.num_modules == num_modules


@pytest.mark.parametrize(("targets", "num_modules"), [("encoder", 12), ("all-linear", 32)])
def test_a_trained_encoder_is_proven_through_the_audio(
    base: Base, audio_cache: Prepared, tmp_path: Path, targets: str, num_modules: int
) -> None:
    """With LoRA in the encoder the outputs are compared from the audio on; without its own it is refused."""
    spec = spec_with(targets=targets)
    trainable = exported(spec, base, audio_cache, tmp_path)
    (artifact,) = FAMILY.verify(spec, base, trainable, tmp_path)
    assert artifact.num_modules == num_modules
    assert artifact.max_difference < 1e-4
    edit_tensors(tmp_path, lambda tensors: tensors[max(n for n in tensors if "encoder.layers" in n)].zero_())
    with pytest.raises(IntegrityError, match=r"model\.encoder"):
        FAMILY.verify(spec, base, trainable, tmp_path)


def test_the_header_says_how_to_listen(base: Base, states_cache: Prepared, tmp_path: Path) -> None:
    """Language and task, and the frames only where they were trimmed; nothing that depends on the run."""
    exported(spec_with(), base, states_cache, tmp_path / "whole")
    options = {"language": None, "whisper_task": "translate", "encoder_frames": 200}
    exported(spec_with(options=options), base, states_cache, tmp_path / "cut")
    found = []
    for name in ("whole", "cut"):
        with safe_open(tmp_path / name / "adapter_model.safetensors", framework="pt") as file:
            found.append(dict(file.metadata()))
    core = {"format": "pt", "base_model_sha256": base.digest}
    assert found[0] == {**core, "language": "en", "whisper_task": "transcribe"}
    assert found[1] == {**core, "whisper_task": "translate", "encoder_frames": "200"}
    exported(spec_with(), base, states_cache, tmp_path / "again")
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
