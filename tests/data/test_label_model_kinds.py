"""Which folders are captioners; every other is refused in one sentence, before its weights are loaded."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loraruner.data.label import open_captioner
from loraruner.errors import DataInvalid
from loraruner.spec.model import Caption
from tests.support.tiny_captioners import write_tiny_blip
from tests.support.tiny_lm import write_tiny_lm
from tests.support.tiny_whisper import edit_json

SETTINGS = Caption(model="m")


@pytest.fixture
def blip(tmp_path: Path) -> Path:
    """A whole captioner, to be spoiled."""
    write_tiny_blip(tmp_path / "blip")
    return tmp_path / "blip"


def _other_class(folder: Path) -> None:
    edit_json(folder / "config.json", architectures=["BlipForQuestionAnswering"])


def _no_class(folder: Path) -> None:
    edit_json(folder / "config.json", architectures=None)


def _another_type(folder: Path) -> None:
    edit_json(folder / "config.json", model_type="git")


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _code(folder: Path) -> None:
    (folder / "modeling.py").write_text("raise SystemExit")


def _remote_code(folder: Path) -> None:
    edit_json(folder / "processor_config.json", auto_map={"AutoProcessor": "x.Y"})


def _audio(folder: Path) -> None:
    edit_json(folder / "processor_config.json", audio_tokenizer={"audio_tokenizer_name_or_path": "/etc"})


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _no_processor(folder: Path) -> None:
    (folder / "processor_config.json").unlink()


def _other_sizes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit_json(folder / "config.json", vision_config={**config["vision_config"], "num_hidden_layers": 3})


def _nonsense(folder: Path) -> None:
    edit_json(folder / "config.json", text_config="none")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_other_class, "names BlipForQuestionAnswering ($.model_type 'blip'), which captions no pictures; a captioner"),
        (_no_class, "names (none) ($.model_type 'blip')"),
        (_another_type, "names BlipForConditionalGeneration ($.model_type 'git')"),
        (_pickle, "pytorch_model.bin: .bin files are pickles, which can run code when loaded, and are refused"),
        (_code, "modeling.py: the base model brings code of its own, which is never run"),
        (_remote_code, "$.auto_map.AutoProcessor asks for remote code, which is never run"),
        (_audio, "processor_config.json: asks for an audio tokenizer, which no captioner has"),
        (_cut, "model.safetensors: the file is cut"),
        (_no_tokenizer, "has no tokenizer (tokenizer.json, or vocab.json with merges.txt)"),
        (_no_processor, "transformers cannot load it ("),
        (_other_sizes, "transformers cannot load it (12 weights are missing, first vision_model.encoder.layers.2"),
        (_nonsense, "transformers cannot load it ("),
    ],
)
def test_refused(blip: Path, spoil: Callable[[Path], None], reason: str) -> None:
    """What is no whole captioner, asks for code, or holds pickles is refused in one sentence with a way out."""
    spoil(blip)
    with pytest.raises(DataInvalid) as raised:
        open_captioner(blip, SETTINGS, device="cpu")
    assert reason in str(raised.value)
    assert str(blip) in str(raised.value) and "; " in str(raised.value)


def test_other_models(tmp_path: Path, tiny_base: Path) -> None:
    """A language model, a Stable Diffusion base, a pickle and an empty folder are refused, each in one sentence."""
    write_tiny_lm(tmp_path / "lm")
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.pt").write_bytes(b"pickle")
    for path, reason in (
        (tmp_path / "lm", "names LlamaForCausalLM ($.model_type 'llama'), which captions no pictures"),
        (tiny_base, "that is a Stable Diffusion base"),
        (tmp_path / "empty", "has no config.json"),
        (tmp_path / "model.pt", ".pt files are pickles"),
    ):
        with pytest.raises(DataInvalid) as raised:
            open_captioner(path, SETTINGS, device="cpu")
        assert reason in str(raised.value)
