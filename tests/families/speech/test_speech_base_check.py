"""What is refused as a base for automatic-speech-recognition, each by one sentence."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from transformers import WhisperProcessor

from loraruner.errors import DataInvalid
from loraruner.families.base import Base
from loraruner.families.speech.base_check import check_base
from loraruner.families.speech.open_base import load_extractor
from tests.support.tiny_lm import write_tiny_lm
from tests.support.tiny_whisper import edit_json, write_tiny_whisper

Edit = Callable[[Path], None]


def change(name: str, **changes: object) -> Edit:
    return lambda folder: edit_json(folder / name, **changes)


def add(*names: str, text: str = "{}") -> Edit:
    def edit(folder: Path) -> None:
        for name in names:
            (folder / name).write_text(text)

    return edit


def remove(*names: str) -> Edit:
    def edit(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return edit


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def settings_of_a_processor(folder: Path) -> None:
    """What WhisperProcessor.save_pretrained leaves: the log-mel's settings inside another file."""
    WhisperProcessor.from_pretrained(folder).save_pretrained(folder)
    (folder / "preprocessor_config.json").unlink()


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    """A base of this test's own."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "base"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("config.json", architectures=["WhisperModel"]), "names WhisperModel .*no Whisper that transcribes"),
        (change("config.json", architectures=["LlamaForCausalLM"]), "a language model, whose task is text-generation"),
        (change("config.json", model_type="wav2vec2"), r"\(\$\.model_type 'wav2vec2'\), which is no Whisper"),
        (change("config.json", max_source_positions=750), r"\$\.max_source_positions is 750, not the 1500 of every"),
        (change("config.json", max_target_positions=512), r"\$\.max_target_positions is 512, not the 448 of every"),
        (change("config.json", decoder_layers=0), r"\$\.decoder_layers is 0, not 1 to 100"),
        (change("config.json", encoder_layers=200), r"\$\.encoder_layers is 200, not 1 to 100"),
        (change("config.json", num_labels=10**9), r"\$\.num_labels = 1,000,000,000, each of which"),
        (change("config.json", num_mel_bins=10**9), r"\$\.num_mel_bins is 1000000000, and a Whisper has 80 or 128"),
        (change("config.json", quantization_config={"a": 1}), "quantised for inference; use the model's unquantised"),
        (change("config.json", auto_map={"AutoModel": "x--y.Z"}), r"\$\.auto_map\.AutoModel asks for remote code"),
        (change("config.json", weights="../other"), "points outside"),
        (change("preprocessor_config.json", auto_map={"a": "b"}), "asks for remote code"),
        (change("preprocessor_config.json", feature_size=128), r"\$\.feature_size is 128, not the 80 of \$\.num_mel"),
        (change("preprocessor_config.json", sampling_rate=8000), r"\$\.sampling_rate is 8000, not the 16000 that"),
        (change("preprocessor_config.json", hop_length=200), r"\$\.hop_length is 200, not the 160"),
        (change("preprocessor_config.json", chunk_length=30.0), r"\$\.chunk_length is 30\.0, not the 30 that"),
        (remove("preprocessor_config.json"), r"has no preprocessor_config\.json; .*feature_size=80"),
        (add("processor_config.json", text='{"feature_extractor": 1}'), "settings in it are not an object"),
        (add("processor_config.json", text='{"audio_processor": {"chunk_length": 3}}'), r"\$\.chunk_length is 3, not"),
        (add("modeling_whisper.py", text=""), "brings code of its own"),
        (add("model_index.json"), "Stable Diffusion base, whose task is text-to-image; automatic-speech"),
        (add("adapter_config.json"), "holds a LoRA adapter"),
        (add("model.bin", "vocabulary.json"), r"a CTranslate2 folder \(faster-whisper\)"),
        (add("config.json", text="[1]"), "holds no JSON object"),
        (remove("config.json"), r"has no config\.json; automatic-speech-recognition needs a Whisper"),
        (remove("tokenizer.json"), "has no tokenizer"),
        (remove("model.safetensors"), r"has neither model\.safetensors nor .*hf://openai/whisper-base@main"),
        (cut_weights, "the file is cut"),
        (only_a_pickle, r"pytorch_model\.bin: \.bin files are pickles"),
    ],
)
def test_a_base_that_cannot_be_trained_is_refused(copy: Path, edit: Edit, message: str) -> None:
    """Other models, other sizes, code, ways out of the folder, cut or missing files: each by its own sentence."""
    edit(copy)
    with pytest.raises(DataInvalid, match=message):
        check_base(copy)


def test_a_text_model_is_told_its_task(tmp_path: Path) -> None:
    """A language model given as base is named, with the task that trains it."""
    write_tiny_lm(tmp_path)
    with pytest.raises(DataInvalid, match=r"names LlamaForCausalLM .*whose task is text-generation; automatic-speech"):
        check_base(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("base.pt", r"\.pt files \(OpenAI's own Whisper, whisper\.cpp\) are pickles"),
        ("ggml-base.bin", r"\.bin files \(OpenAI's own"),
        ("tiny.gguf", "a GGUF, which only text-generation takes"),
        ("folder/tiny.gguf", r"tiny\.gguf: a GGUF"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, name: str, message: str) -> None:
    """OpenAI's checkpoints, whisper.cpp's files and GGUF are refused before a byte of them is parsed."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    with pytest.raises(DataInvalid, match=message):
        check_base(path if path.parent == tmp_path else path.parent)


def test_single_weight_files_are_told_apart(tmp_path: Path) -> None:
    """A Stable Diffusion checkpoint is named as such; a lone file of weights lacks its settings."""
    for name, message in (("first_stage_model.a", "Stable Diffusion base"), ("model.a", "a single file without its")):
        save_file({name: np.zeros(2)}, tmp_path / "x.safetensors")
        with pytest.raises(DataInvalid, match=message):
            check_base(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "edit",
    [
        lambda folder: None,
        settings_of_a_processor,
        remove("generation_config.json"),
        change("preprocessor_config.json", feature_size=None, n_fft=None),
        change("config.json", _name_or_path="/home/someone/checkpoint"),
        add("training_args.bin", text="x"),
    ],
)
def test_a_sound_base_passes_and_its_sound_settings_load(copy: Path, edit: Edit) -> None:
    """Settings in either file or by default, no generation settings, leftovers of a trainer: no faults."""
    edit(copy)
    check_base(copy)
    assert load_extractor(Base(copy, "", "")).feature_size == 80


def test_the_large_sizes_pass(tmp_path: Path) -> None:
    """128 mel bins (large-v3, turbo) are as good as 80, where both files say so."""
    write_tiny_whisper(tmp_path, num_mel_bins=128, layers=1)
    check_base(tmp_path)
    edit_json(tmp_path / "preprocessor_config.json", feature_size=None)
    with pytest.raises(DataInvalid, match=r"feature_size is 80, not the 128"):
        check_base(tmp_path)


def test_checking_a_base_imports_no_torch(tiny_folder: Path) -> None:
    """The family is named and a folder checked in a process that never loads torch or transformers."""
    code = (
        "import sys; from pathlib import Path; from loraruner.families.speech import FAMILY; "
        "FAMILY.check_base(Path(sys.argv[1])); "
        "sys.exit(bool({'torch', 'transformers', 'peft', 'soundfile'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tiny_folder)], check=False).returncode == 0
