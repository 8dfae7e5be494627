"""Whether a base model is one that ``automatic-speech-recognition`` trains: a Whisper, as a Hugging Face folder.

No torch. A folder without generation_config.json passes: that says which tokens are never let out (noises, tags), and
what else it says about languages the tokenizer knows too.
"""

from pathlib import Path
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.pretrained.hf_folder import (
    CONFIG,
    check_tokenizer,
    check_weights,
    named_architecture,
    read_json,
    refuse_code,
    refuse_other_folder,
    refuse_quantized,
    refuse_single_file,
)
from loraruner.pretrained.weights import PICKLE_SUFFIXES

ARCHITECTURE = "WhisperForConditionalGeneration"
EXTRACTOR = "preprocessor_config.json"
PROCESSOR = "processor_config.json"  # holds the extractor's settings where WhisperProcessor saved the folder
CHECKED = (CONFIG, "generation_config.json", "tokenizer_config.json", EXTRACTOR, PROCESSOR)
EXTRACTOR_KEYS = ("feature_extractor", "audio_processor")  # the first that is there counts, as in transformers
LANGUAGE_MODELS = ("ForCausalLM", "LMHeadModel")
SUITED = "the same model as a Hugging Face folder with .safetensors, such as hf://openai/whisper-base@main"
NEEDED = f"automatic-speech-recognition needs a Whisper: {SUITED}"
# What the paper fixes for every size (arXiv 2212.04356, section 2.2): 30 s windows of 16 kHz, a log-mel frame of 25 ms
# every 10 ms, an encoder frame for two of them, and so many tokens.
SIZES = {"max_source_positions": 1500, "max_target_positions": 448}
MAX_LAYERS = 100  # the largest has 32
MEL_BINS = (80, 128)  # of all sizes up to large-v2, and of large-v3
SOUND = {"sampling_rate": 16_000, "chunk_length": 30, "hop_length": 160, "n_fft": 400}


def check_base(path: Path) -> None:
    """Raise DataInvalid, one sentence with the fix, unless ``path`` is a base of this family."""
    if path.is_file():
        _refuse_file(path)
    if _is_ctranslate2(path):
        raise DataInvalid(f"{path}: a CTranslate2 folder (faster-whisper), made for transcribing only; use {SUITED}")
    gguf = next(iter(sorted(path.glob("*.gguf"))), None)
    if gguf is not None and not (path / CONFIG).exists():
        _refuse_file(gguf)
    refuse_other_folder(path, NEEDED)
    refuse_code(path, CHECKED)
    config = read_json(path / CONFIG)
    _check_config(path / CONFIG, config)
    check_tokenizer(path)
    check_weights(path, NEEDED)
    _check_extractor(path, config)


def _refuse_file(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix == ".gguf":
        raise DataInvalid(f"{path}: a GGUF, which only text-generation takes; {NEEDED}")
    if suffix in PICKLE_SUFFIXES:
        raise DataInvalid(
            f"{path}: {suffix} files (OpenAI's own Whisper, whisper.cpp) are pickles, which can run code when loaded, "
            f"or made for transcribing only; use {SUITED}"
        )
    refuse_single_file(path, NEEDED)


def _is_ctranslate2(folder: Path) -> bool:
    names = ("vocabulary.json", "vocabulary.txt")
    return (folder / "model.bin").exists() and any((folder / name).exists() for name in names)


def _check_config(file: Path, config: dict[str, Any]) -> None:
    name, kind = named_architecture(config), config.get("model_type")
    if name != ARCHITECTURE or kind != "whisper":
        what = "no Whisper that transcribes"
        if name.endswith(LANGUAGE_MODELS):
            what = "a language model, whose task is text-generation"
        raise DataInvalid(f"{file}: $.architectures names {name} ($.model_type {kind!r}), which is {what}; {NEEDED}")
    refuse_quantized(file, config, "use the model's unquantised .safetensors")
    _require(file, config, SIZES, "of every Whisper; fetch the model again")
    for key in ("encoder_layers", "decoder_layers"):
        if type(number := config.get(key, 1)) is not int or not 1 <= number <= MAX_LAYERS:
            raise DataInvalid(f"{file}: $.{key} is {number!r}, not 1 to {MAX_LAYERS}; fetch the model again")
    bins = config.get("num_mel_bins", MEL_BINS[0])
    if bins not in MEL_BINS:
        raise DataInvalid(f"{file}: $.num_mel_bins is {bins!r}, and a Whisper has 80 or 128; fetch the model again")


def _check_extractor(folder: Path, config: dict[str, Any]) -> None:
    """The settings of the log-mel, wherever the folder keeps them, fit the weights."""
    processor = read_json(folder / PROCESSOR) if (folder / PROCESSOR).exists() else {}
    nested = next((processor[key] for key in EXTRACTOR_KEYS if key in processor), None)
    file = folder / (PROCESSOR if nested is not None else EXTRACTOR)
    if not file.exists():
        raise DataInvalid(
            f"{folder}: has no {EXTRACTOR}; save one beside the weights with "
            f"WhisperFeatureExtractor(feature_size={config.get('num_mel_bins', 80)}).save_pretrained(...)"
        )
    settings = read_json(file) if nested is None else nested
    if not isinstance(settings, dict):
        raise DataInvalid(f"{file}: the log-mel's settings in it are not an object; fetch the model again")
    _require(file, settings, SOUND, "that Whisper hears; fetch the model again")
    bins = {"feature_size": config.get("num_mel_bins", 80)}
    _require(file, settings, bins, f"of $.num_mel_bins in {CONFIG}; take both files from the same model")


def _require(file: Path, settings: dict[str, Any], wanted: dict[str, int], reason: str) -> None:
    for key, value in wanted.items():
        found = settings.get(key, 80 if key == "feature_size" else value)  # transformers' defaults where none is named
        if found != value or type(found) is not int:  # 160.0 is a length of nothing
            raise DataInvalid(f"{file}: $.{key} is {found!r}, not the {value} {reason}")
