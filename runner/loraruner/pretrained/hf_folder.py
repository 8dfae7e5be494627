"""What every base that is a Hugging Face folder must be: JSON, a tokenizer, sound safetensors, no code. No torch.

Weights are read by their headers; a configuration file may name neither code nor anything outside its folder.
``needed`` is the family's own sentence of what it takes, put at the end of a refusal.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.pretrained.json_size import parsed_bytes
from loraruner.pretrained.weights import PICKLE_SUFFIXES, check_safetensors, refuse_pickle

MAX_JSON_BYTES = 64 << 20  # an index of thousands of shards is far below
MAX_PARSED_BYTES = 512 << 20  # the largest tokenizers take less than half of it
# Bounds of what is made in memory before a weight is read: names of a classifier's labels, which no base is; layers.
MOST = {
    "num_labels": 100_000,
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layer", "n_layers"), 1000),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "depth"), 1000),
}
MAX_ALPHA = 10**6  # of an adapter
FREE_TEXT_KEYS = frozenset({"_name_or_path", "_model_name_or_path", "name_or_path"})  # never read when loading
CONFIG = "config.json"


def refuse_single_file(path: Path, needed: str) -> None:
    """Raise DataInvalid for a pickle, a Stable Diffusion checkpoint, or weights without their configuration."""
    refuse_pickle(path)
    if path.suffix.lower() == ".safetensors" and _is_stable_diffusion(check_safetensors(path)):
        raise _diffusion(path, needed)
    raise DataInvalid(f"{path}: a single file without its config.json and tokenizer; {needed}")


def _is_stable_diffusion(names: dict[str, Any]) -> bool:
    return any(name.startswith(("model.diffusion_model.", "first_stage_model.")) for name in names)


def _diffusion(path: Path, needed: str) -> DataInvalid:
    return DataInvalid(f"{path}: that is a Stable Diffusion base, whose task is text-to-image; {needed}")


def refuse_other_folder(folder: Path, needed: str) -> None:
    """Raise DataInvalid for a diffusion folder, an adapter's folder, or one without config.json."""
    if (folder / "model_index.json").exists() or (folder / "unet").exists():
        raise _diffusion(folder, needed)
    if (folder / "adapter_config.json").exists():
        raise DataInvalid(f"{folder}: holds a LoRA adapter (adapter_config.json), not a base model; {needed}")
    if not (folder / CONFIG).exists():
        raise DataInvalid(f"{folder}: has no config.json; {needed}")


def refuse_code(folder: Path, names: Sequence[str]) -> None:
    """Raise DataInvalid for code in the folder, or when a file of ``names`` asks for some or points outside.

    Also for a number of labels or layers that would fill the memory.
    """
    script = next(iter(sorted(folder.rglob("*.py"))), None)
    if script is not None:
        raise DataInvalid(
            f"{script}: the base model brings code of its own, which is never run; use a model of an "
            "architecture that transformers knows, without .py files"
        )
    for name in names:
        file = folder / name
        if file.exists():
            for place, key, value in _leaves(read_json(file)):
                _refuse_leaf(file, place, key, value)


def _refuse_leaf(file: Path, place: str, key: str, value: Any) -> None:
    if ".auto_map" in place:
        raise DataInvalid(f"{file}: {place} asks for remote code, which is never run; use a model without auto_map")
    if isinstance(value, int) and value > MOST.get(key, value):
        raise DataInvalid(
            f"{file}: {place} = {value:,}, each of which would take memory, and {MOST[key]:,} are the most; correct it"
        )
    if not isinstance(value, str) or key in FREE_TEXT_KEYS:
        return
    names_file = file.name == CONFIG or key.endswith("_file")
    if names_file and not key.endswith("special_tokens_map_file") and _points_outside(value):
        raise DataInvalid(f"{file}: {place} = {value!r} points outside the model's folder; remove that entry")
    if key.endswith("_implementation") and "/" in value:
        raise DataInvalid(f"{file}: {place} = {value!r} asks for a downloaded kernel; remove that entry")


def _points_outside(value: str) -> bool:
    return "://" in value or value.startswith(("/", "~", "\\")) or ".." in PurePosixPath(value).parts


def named_architecture(config: dict[str, Any]) -> str:
    """The class that config.json names, or "(none)"."""
    named = config.get("architectures") or ["(none)"]
    return str(named[0] if isinstance(named, list) else named)


def refuse_quantized(file: Path, config: dict[str, Any], fix: str) -> None:
    """Raise DataInvalid when config.json says that the weights were quantised for inference."""
    if config.get("quantization_config"):
        raise DataInvalid(f"{file}: $.quantization_config: the weights are quantised for inference; {fix}")


def check_tokenizer(folder: Path) -> None:
    """Raise DataInvalid unless the folder holds a tokenizer's files."""
    if (folder / "tokenizer.json").exists():
        read_json(folder / "tokenizer.json")
    elif not ((folder / "vocab.json").exists() and (folder / "merges.txt").exists()):
        raise DataInvalid(
            f"{folder}: has no tokenizer (tokenizer.json, or vocab.json with merges.txt); "
            "save one beside the weights with AutoTokenizer.from_pretrained(...).save_pretrained(...)"
        )


def check_adapter(folder: Path) -> None:
    """Raise DataInvalid unless a PEFT folder holds sound safetensors (PEFT would take a pickle) and a scale."""
    weights, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    if not (weights.is_file() and config.is_file()):
        raise DataInvalid(f"{folder}: needs {weights.name} and {config.name}; fetch the version again or train it anew")
    check_safetensors(weights)
    settings = read_json(config)
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    sound = type(rank) is int and rank > 0 and isinstance(alpha, int | float) and -MAX_ALPHA < alpha < MAX_ALPHA
    if not sound:
        raise DataInvalid(f"{config}: $.r is {rank!r:.40} and $.lora_alpha {alpha!r:.40}, no scale; train it anew")


def check_weights(folder: Path, needed: str) -> None:
    """Raise DataInvalid unless every .safetensors file that loading reads is there and sound."""
    for file in _weight_files(folder, needed):
        check_safetensors(file)


def _weight_files(folder: Path, needed: str) -> list[Path]:
    """The .safetensors files that loading reads: the shards of the index, or the one model file."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    if not index.exists():
        pickles = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICKLE_SUFFIXES)
        for pickle in pickles:
            refuse_pickle(pickle)
        raise DataInvalid(f"{folder}: has neither model.safetensors nor {index.name}; {needed}")
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise DataInvalid(f"{index}: $.weight_map is not an object of tensor names and files; fetch it again")
    names = sorted({str(name) for name in shards.values()})
    for name in names:
        if PurePosixPath(name).name != name or not name.endswith(".safetensors"):
            raise DataInvalid(f"{index}: $.weight_map names {name!r}, which is no .safetensors file of its folder")
        if not (folder / name).is_file():
            raise DataInvalid(f"{folder / name}: named by {index.name} and missing; fetch the model again")
    return [folder / name for name in names]


def read_json(file: Path) -> dict[str, Any]:
    """An object from a JSON file of bounded size; DataInvalid otherwise."""
    if file.stat().st_size > MAX_JSON_BYTES:
        raise DataInvalid(f"{file}: {file.stat().st_size:,} bytes are more than {MAX_JSON_BYTES:,}; fetch it again")
    raw = file.read_bytes()
    if (needed_bytes := parsed_bytes(raw)) > MAX_PARSED_BYTES:
        raise DataInvalid(
            f"{file}: its JSON would take {needed_bytes:,} bytes of memory, and {MAX_PARSED_BYTES:,} are the most; "
            "fetch it again"
        )
    try:
        value = json.loads(raw)
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
