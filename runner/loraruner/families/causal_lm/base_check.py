"""Whether a base model is one that ``text-generation`` trains: a Hugging Face folder or a GGUF. No torch."""

from pathlib import Path

from loraruner.errors import DataInvalid
from loraruner.families.causal_lm.gguf_header import read_gguf_header
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

CAUSAL_SUFFIXES = ("ForCausalLM", "LMHeadModel")
# What transformers turns from GGUF into a decoder-only language model.
GGUF_ARCHITECTURES = frozenset(
    {"bloom", "falcon", "gemma2", "gemma3", "gpt2", "llama", "mistral", "nemotron", "phi3"}
    | {"qwen2", "qwen3", "stablelm", "starcoder2"}
)
NEEDED = "text-generation needs a causal language model: a Hugging Face folder with .safetensors, or a .gguf"


def find_gguf(path: Path) -> Path | None:
    """The one GGUF file that ``path`` is or holds; None for a Hugging Face folder."""
    if path.is_file():
        return path if path.suffix.lower() == ".gguf" else None
    found = sorted(p for p in path.iterdir() if p.suffix.lower() == ".gguf")
    if len(found) > 1:
        names = ", ".join(p.name for p in found)
        raise DataInvalid(f"{path}: holds {len(found)} .gguf files ({names}); name one of them in $.model.base")
    return found[0] if found else None


def check_base(path: Path) -> None:
    """Raise DataInvalid, one sentence with the fix, unless ``path`` is a base of this family."""
    gguf = find_gguf(path)
    if gguf is not None:
        _check_gguf(gguf)
    elif path.is_file():
        refuse_single_file(path, NEEDED)
    else:
        _check_folder(path)


def _check_gguf(path: Path) -> None:
    metadata = read_gguf_header(path).metadata
    architecture = metadata.get("general.architecture")
    if architecture not in GGUF_ARCHITECTURES:
        known = ", ".join(sorted(GGUF_ARCHITECTURES))
        raise DataInvalid(f"{path}: its architecture {architecture!r} is none of {known}; {NEEDED}")
    if not metadata.get("tokenizer.ggml.tokens"):
        raise DataInvalid(f"{path}: holds no tokenizer (tokenizer.ggml.tokens); convert the model to GGUF with it")


def _check_folder(folder: Path) -> None:
    refuse_other_folder(folder, NEEDED)
    refuse_code(folder, (CONFIG, "generation_config.json", "tokenizer_config.json"))
    _check_config(folder / CONFIG)
    check_tokenizer(folder)
    check_weights(folder, NEEDED)


def _check_config(file: Path) -> None:
    config = read_json(file)
    name = named_architecture(config)
    if config.get("is_encoder_decoder") or not name.endswith(CAUSAL_SUFFIXES):
        kind = "an encoder-decoder" if config.get("is_encoder_decoder") else "no causal language model"
        raise DataInvalid(
            f"{file}: $.architectures names {name}, which is {kind}; text-generation needs ...ForCausalLM"
            + (" (a Whisper's task is automatic-speech-recognition)" if name.startswith("Whisper") else "")
        )
    refuse_quantized(file, config, "use the model's unquantised .safetensors or a .gguf")
