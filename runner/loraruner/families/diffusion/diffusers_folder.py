"""A Stable Diffusion 1.x base as a diffusers folder: refused unless it is whole and harmless. No torch.

What a model is, its class names tell, never its widths.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.pretrained.weights import check_safetensors, refuse_pickle

MAX_CONFIG_BYTES = 1 << 20
CONFIG_NAMES = ("model_index.json", "config.json", "scheduler_config.json", "tokenizer_config.json")
# part -> (accepted class names, stem of its weight file)
WEIGHTED = {
    "unet": ("UNet2DConditionModel", "diffusion_pytorch_model"),
    "vae": ("AutoencoderKL", "diffusion_pytorch_model"),
    "text_encoder": ("CLIPTextModel", "model"),
}
TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast")
SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
PREDICTIONS = ("epsilon", "v_prediction")
# UNet settings that SD 1.x does not have, and the value that means "not there".
PLAIN_UNET = {
    "addition_embed_type": None,
    "class_embed_type": None,
    "encoder_hid_dim_type": None,
    "in_channels": 4,
    "use_linear_projection": False,  # true in Stable Diffusion 2.x
}
# Where the author had the model: nothing is read from there.
INFORMATIONAL = frozenset({"_name_or_path", "name_or_path"})


def check(path: Path) -> None:
    """Raise DataInvalid for code, then for another kind of model, then for a missing or damaged part."""
    for code in sorted(path.rglob("*.py")):
        raise DataInvalid(f"{code}: a base model that brings its own code is refused; use one without, or remove it")
    configs = {file: read_config(file) for file in _config_files(path)}
    for file, config in configs.items():
        _refuse_remote(file, config)
    index = configs.get(path / "model_index.json")
    if index is None:
        raise _not_a_pipeline(path, configs.get(path / "config.json", {}))
    if index.get("_class_name") != "StableDiffusionPipeline":
        raise _another(path / "model_index.json", index.get("_class_name"))
    for part, (name, _) in WEIGHTED.items():
        _check_part(path, part, (name,), index)
        config = read_config(path / part / "config.json")
        if _kind(config) != name:
            raise _another(path / part / "config.json", _kind(config))
        check_safetensors(weights_file(path, part))
    _check_part(path, "tokenizer", TOKENIZERS, index)
    _check_part(path, "scheduler", SCHEDULERS, index)
    _check_unet(path / "unet" / "config.json")
    _check_tokenizer(path / "tokenizer")
    schedule = path / "scheduler" / "scheduler_config.json"
    prediction = read_config(schedule).get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise DataInvalid(
            f"{schedule}: prediction_type {prediction!r} is not epsilon or v_prediction; use another base"
        )


def _check_part(path: Path, part: str, names: tuple[str, ...], index: dict[str, Any]) -> None:
    """The index names the part as one of ``names``, and its folder is there."""
    entry = index.get(part)  # [library, class]
    name = entry[-1] if isinstance(entry, list) and entry else entry
    if name not in names:
        raise _another(path / "model_index.json", name, f"its {part} is ")
    if not (path / part).is_dir():
        raise DataInvalid(f"{path / part}: the folder of the {part} is missing; fetch the whole model")


def _check_unet(file: Path) -> None:
    config = read_config(file)
    for key, plain in PLAIN_UNET.items():
        if config.get(key, plain) != plain:
            raise _another(file, f"{key} = {config[key]!r}", "its UNet has ")
    blocks = config.get("down_block_types")
    if not isinstance(blocks, list) or "CrossAttnDownBlock2D" not in blocks:
        raise _another(file, "without cross-attention", "its UNet is ")


def _check_tokenizer(folder: Path) -> None:
    if not (folder / "tokenizer.json").is_file() and not all(
        (folder / name).is_file() for name in ("vocab.json", "merges.txt")
    ):
        raise DataInvalid(f"{folder}: vocab.json and merges.txt, or tokenizer.json, are missing; fetch the whole model")


def weights_file(path: Path, part: str) -> Path:
    """The part's safetensors file, in full or in fp16; DataInvalid when there is none."""
    stem = WEIGHTED[part][1]
    for name in (f"{stem}.safetensors", f"{stem}.fp16.safetensors"):
        if (path / part / name).is_file():
            return path / part / name
    for file in sorted((path / part).glob("*")):
        refuse_pickle(file)
    raise DataInvalid(f"{path / part}: {stem}.safetensors is missing; fetch the whole model")


def _config_files(path: Path) -> Iterator[Path]:
    for file in sorted(path.rglob("*.json")):
        if file.name in CONFIG_NAMES or file.name.endswith(".index.json"):
            yield file


def read_config(file: Path) -> dict[str, Any]:
    """A JSON object of at most 1 MiB; DataInvalid otherwise."""
    try:
        if file.stat().st_size > MAX_CONFIG_BYTES:
            raise DataInvalid(f"{file}: a config above {MAX_CONFIG_BYTES:,} bytes is refused; fetch the model again")
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataInvalid(f"{file}: the file is missing; fetch the whole model") from error
    except (ValueError, RecursionError) as error:
        raise DataInvalid(f"{file}: not the JSON it should be ({error}); fetch the model again") from error
    if not isinstance(config, dict):
        raise DataInvalid(f"{file}: not a JSON object; fetch the model again")
    return config


def _refuse_remote(file: Path, config: dict[str, Any]) -> None:
    """Neither code nor paths outside the folder."""
    for keys, value in _leaves(config):
        if "auto_map" in keys:
            raise DataInvalid(f"{file}: auto_map asks for code of the model's own, which is refused; use another base")
        if isinstance(value, str) and not INFORMATIONAL.intersection(keys):
            steps = PurePosixPath(value.replace("\\", "/"))
            if steps.is_absolute() or ".." in steps.parts:
                raise DataInvalid(f"{file}: {'.'.join(keys)} points outside the folder ({value!r}); remove it")


def _leaves(config: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is neither object nor list, with its keys; no recursion, since depth is hostile."""
    stack: list[tuple[tuple[str, ...], Any]] = [((), config)]
    while stack:
        keys, value = stack.pop()
        if isinstance(value, dict):
            stack.extend(((*keys, name), child) for name, child in value.items())
        elif isinstance(value, list):
            stack.extend(((*keys, str(i)), child) for i, child in enumerate(value))
        else:
            yield keys, value


def _not_a_pipeline(path: Path, config: dict[str, Any]) -> DataInvalid:
    """A folder without model_index.json, named as what it is where its config tells."""
    if kind := _kind(config):
        return _another(path / "config.json", kind)
    files = sorted(file.name for file in path.glob("*.safetensors"))
    hint = f"to use a single file, name it: {path / files[0]}" if files else "check $.model.base"
    return DataInvalid(f"{path}: no model_index.json, so this is not a diffusers folder; {hint}")


def _kind(config: dict[str, Any]) -> Any:
    """The class that a diffusers or transformers config is of."""
    kind = config.get("_class_name") or config.get("architectures") or config.get("model_type")
    return kind[0] if isinstance(kind, list) else kind


def _another(file: Path, kind: Any, subject: str = "that is ") -> DataInvalid:
    names = {
        "StableDiffusionXLPipeline": "SDXL",
        "FluxPipeline": "Flux",
        "StableDiffusion3Pipeline": "Stable Diffusion 3",
    }
    known = names.get(kind, kind) if isinstance(kind, str) else kind
    return DataInvalid(f"{file}: {subject}{known}; text-to-image takes Stable Diffusion 1.x for now, use such a base")
