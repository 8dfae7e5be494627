"""Whether a base model is one that ``text-generation`` trains: a Hugging Face folder or a GGUF. No torch.

Weights are read by their headers; a configuration file may name neither code nor anything outside its folder.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.families.causal_lm.gguf_header import read_gguf_header
from loraruner.families.weights import PICKLE_SUFFIXES, check_safetensors, refuse_pickle

MAX_JSON_BYTES = 64 << 20  # an index of thousands of shards is far below
CAUSAL_SUFFIXES = ("ForCausalLM", "LMHeadModel")
FREE_TEXT_KEYS = frozenset({"_name_or_path", "_model_name_or_path", "name_or_path"})  # never read when loading
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
        _refuse_file(path)
    else:
        _check_folder(path)


def _refuse_file(path: Path) -> None:
    refuse_pickle(path)
    if path.suffix.lower() == ".safetensors" and _is_stable_diffusion(check_safetensors(path)):
        raise _diffusion(path)
    raise DataInvalid(f"{path}: a single file without its config.json and tokenizer; {NEEDED}")


def _is_stable_diffusion(names: dict[str, Any]) -> bool:
    return any(name.startswith(("model.diffusion_model.", "first_stage_model.")) for name in names)


def _diffusion(path: Path) -> DataInvalid:
    return DataInvalid(f"{path}: that is a Stable Diffusion base, whose task is text-to-image; {NEEDED}")


def _check_gguf(path: Path) -> None:
    metadata = read_gguf_header(path).metadata
    architecture = metadata.get("general.architecture")
    if architecture not in GGUF_ARCHITECTURES:
        known = ", ".join(sorted(GGUF_ARCHITECTURES))
        raise DataInvalid(f"{path}: its architecture {architecture!r} is none of {known}; {NEEDED}")
    if not metadata.get("tokenizer.ggml.tokens"):
        raise DataInvalid(f"{path}: holds no tokenizer (tokenizer.ggml.tokens); convert the model to GGUF with it")


def _check_folder(folder: Path) -> None:
    if (folder / "model_index.json").exists() or (folder / "unet").exists():
        raise _diffusion(folder)
    if (folder / "adapter_config.json").exists():
        raise DataInvalid(f"{folder}: holds a LoRA adapter (adapter_config.json), not a base model; {NEEDED}")
    if not (folder / "config.json").exists():
        raise DataInvalid(f"{folder}: has no config.json; {NEEDED}")
    _refuse_code(folder)
    _check_config(folder / "config.json")
    _check_tokenizer(folder)
    for file in _weight_files(folder):
        check_safetensors(file)


def _refuse_code(folder: Path) -> None:
    """Code in the folder, or a configuration that asks for some or points outside."""
    script = next(iter(sorted(folder.rglob("*.py"))), None)
    if script is not None:
        raise DataInvalid(
            f"{script}: the base model brings code of its own, which is never run; use a model of an "
            "architecture that transformers knows, without .py files"
        )
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        file = folder / name
        if file.exists():
            for place, key, value in _leaves(_read_json(file)):
                _refuse_leaf(file, place, key, value)


def _refuse_leaf(file: Path, place: str, key: str, value: Any) -> None:
    if ".auto_map" in place:
        raise DataInvalid(f"{file}: {place} asks for remote code, which is never run; use a model without auto_map")
    if not isinstance(value, str) or key in FREE_TEXT_KEYS:
        return
    names_file = file.name == "config.json" or key.endswith("_file")
    if names_file and not key.endswith("special_tokens_map_file") and _points_outside(value):
        raise DataInvalid(f"{file}: {place} = {value!r} points outside the model's folder; remove that entry")
    if key.endswith("_implementation") and "/" in value:
        raise DataInvalid(f"{file}: {place} = {value!r} asks for a downloaded kernel; remove that entry")


def _points_outside(value: str) -> bool:
    return "://" in value or value.startswith(("/", "~", "\\")) or ".." in PurePosixPath(value).parts


def _check_config(file: Path) -> None:
    config = _read_json(file)
    named = config.get("architectures") or ["(none)"]
    name = str(named[0] if isinstance(named, list) else named)
    if config.get("is_encoder_decoder") or not name.endswith(CAUSAL_SUFFIXES):
        kind = "an encoder-decoder" if config.get("is_encoder_decoder") else "no causal language model"
        raise DataInvalid(
            f"{file}: $.architectures names {name}, which is {kind}; text-generation needs ...ForCausalLM"
        )
    if config.get("quantization_config"):
        raise DataInvalid(
            f"{file}: $.quantization_config: the weights are quantised for inference; "
            "use the model's unquantised .safetensors or a .gguf"
        )


def _check_tokenizer(folder: Path) -> None:
    if (folder / "tokenizer.json").exists():
        _read_json(folder / "tokenizer.json")
    elif not ((folder / "vocab.json").exists() and (folder / "merges.txt").exists()):
        raise DataInvalid(
            f"{folder}: has no tokenizer (tokenizer.json, or vocab.json with merges.txt); "
            "save one beside the weights with AutoTokenizer.from_pretrained(...).save_pretrained(...)"
        )


def _weight_files(folder: Path) -> list[Path]:
    """The .safetensors files that loading reads: the shards of the index, or the one model file."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    if not index.exists():
        pickles = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICKLE_SUFFIXES)
        for pickle in pickles:
            refuse_pickle(pickle)
        raise DataInvalid(f"{folder}: has neither model.safetensors nor {index.name}; {NEEDED}")
    shards = _read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise DataInvalid(f"{index}: $.weight_map is not an object of tensor names and files; fetch it again")
    names = sorted({str(name) for name in shards.values()})
    for name in names:
        if PurePosixPath(name).name != name or not name.endswith(".safetensors"):
            raise DataInvalid(f"{index}: $.weight_map names {name!r}, which is no .safetensors file of its folder")
        if not (folder / name).is_file():
            raise DataInvalid(f"{folder / name}: named by {index.name} and missing; fetch the model again")
    return [folder / name for name in names]


def _read_json(file: Path) -> dict[str, Any]:
    """An object from a JSON file of bounded size; DataInvalid otherwise."""
    if file.stat().st_size > MAX_JSON_BYTES:
        raise DataInvalid(f"{file}: {file.stat().st_size:,} bytes are more than {MAX_JSON_BYTES:,}; fetch it again")
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataInvalid(f"{file}: not JSON ({error}); fetch the model again") from error
    if not isinstance(value, dict):
        raise DataInvalid(f"{file}: holds no JSON object; fetch the model again")
    return value


def _leaves(value: Any) -> Iterator[tuple[str, str, Any]]:
    """Every leaf of a JSON value: its path, the nearest name, and itself. Any depth: no recursion."""
    waiting: list[tuple[str, str, Any]] = [("$", "", value)]
    while waiting:
        place, key, item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend((f"{place}.{name}", str(name), child) for name, child in item.items())
        elif isinstance(item, list):
            waiting.extend((f"{place}[{position}]", key, child) for position, child in enumerate(item))
        else:
            yield place, key, item
