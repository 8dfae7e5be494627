"""Within the build of an image: leave out what wheels carry and a training run never opens.

    image_prune.py FOLDER

FOLDER is laid out as a virtual environment is. Headers and test programs of torch (200 MB of its 750 MB) and the tests
of two packages go; what is left is exactly what each package's RECORD then lists.
"""

import csv
import shutil
import sys
from pathlib import Path

# No compiler is in the image, so nobody includes a header; numpy's tests stay, as numpy.testing imports from them.
PATTERNS = ("torch/include", "torch/test", "torch/bin/*", "sympy/**/tests", "networkx/**/tests")
KEPT = {"torch_shm_manager"}  # a program that torch starts when processes share tensors


def main(arguments: list[str]) -> None:
    """Prune every site-packages below the folder."""
    for packages in Path(arguments[0]).glob("lib/python3.*/site-packages"):
        prune(packages)


def prune(packages: Path) -> None:
    """Remove what the patterns name, and then its lines in the RECORDs."""
    found = [path for pattern in PATTERNS for path in packages.glob(pattern) if path.name not in KEPT]
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for record in packages.glob("*.dist-info/RECORD"):
        with record.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
        present = [row for row in rows if (packages / row[0]).exists()]
        if len(present) < len(rows):
            with record.open("w", newline="", encoding="utf-8") as stream:
                csv.writer(stream, lineterminator="\n").writerows(present)


if __name__ == "__main__":
    main(sys.argv[1:])
