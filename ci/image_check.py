"""Within the build of an image: its labels tell the truth, and its bill of materials is written.

    image_check.py BILL

The labels are given to the build as arguments (VERSION, TORCH_VERSION, CUDA_VERSION, SCHEMA_VERSION, LOCK_SHA256) and
checked here against what was installed, as a label cannot be computed by the build itself. And every module is there
compiled, but those that this Python cannot read and those that docker/not-compiled, beside this file there, leaves out.
"""

import ast
import importlib.util
import json
import os
import re
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from loraruner import image
from loraruner.provenance import bill_of_materials

ARGUMENTS = {
    "VERSION": "org.opencontainers.image.version",
    "TORCH_VERSION": "com.loraruner.torch.version",
    "CUDA_VERSION": "com.loraruner.cuda.version",
    "SCHEMA_VERSION": "com.loraruner.schema.version",
    "LOCK_SHA256": "com.loraruner.lock.sha256",
}


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Write the bill to the path given; 78 and one line for everything that is wrong."""
    left_out = Path(__file__).with_name("not-compiled").read_text(encoding="utf-8").strip()
    wrong = [*wrong_arguments(environment), *uncompiled(Path(sysconfig.get_path("purelib")), left_out)]
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 78
    text = json.dumps(bill_of_materials(), indent=2, sort_keys=True, ensure_ascii=False)
    Path(arguments[0]).write_text(text + "\n", encoding="utf-8")
    return 0


def wrong_arguments(environment: Mapping[str, str], folder: Path = image.FOLDER) -> list[str]:
    """One line for every argument that is not what was measured."""
    measured = image.labels(revision=None, folder=folder)
    return [
        f"build argument {name} is {environment.get(name, '')!r} and must be {measured[label]!r}: build with ci/image"
        for name, label in ARGUMENTS.items()
        if environment.get(name, "") != measured[label]
    ]


def uncompiled(packages: Path, left_out: str) -> list[str]:
    """One line for every module without bytecode that could have some; ``left_out`` is an expression for paths."""
    bare = [path for path in packages.rglob("*.py") if not Path(importlib.util.cache_from_source(str(path))).exists()]
    wrong = [path for path in bare if not re.search(left_out, str(path)) and is_valid(path)]
    return [f"{path} is not compiled: install it with docker/install-locked" for path in wrong]


def is_valid(path: Path) -> bool:
    """Whether this Python can read the file."""
    try:
        ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
