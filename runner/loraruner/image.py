"""The container image as it is seen from inside: what its labels must say, measured rather than believed."""

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from loraruner import __version__

FOLDER = Path("/opt/loraruner")
SCHEMA_DIGITS = 12  # of the job schema's SHA-256: its version, as it has no number of its own
NO_CUDA = "none"
CUDA_RUNTIME = re.compile(r"nvidia-cuda-runtime(-cu\d+)?")
MAX_BILL_BYTES = 16 << 20


def is_image(folder: Path = FOLDER) -> bool:
    """Whether this process runs in an image that docker/Dockerfile made."""
    return locks(folder) != []


def locks(folder: Path = FOLDER) -> list[Path]:
    """The lock files that the image was installed from, by name."""
    return sorted((folder / "lock").glob("*.lock"))


def labels(revision: str | None, folder: Path = FOLDER) -> dict[str, str]:
    """The labels that depend on the content, by name; ``revision`` is what the build was told (empty: unknown)."""
    return {
        "org.opencontainers.image.version": __version__,
        "org.opencontainers.image.revision": revision or "",
        "com.loraruner.schema.version": schema_version(),
        "com.loraruner.torch.version": torch_version(),
        "com.loraruner.cuda.version": cuda_version(),
        "com.loraruner.lock.sha256": lock_sha256(locks(folder)),
    }


def schema_version() -> str:
    """The first hex digits of the job schema's SHA-256: two images with the same one take the same jobs."""
    schema = resources.files("loraruner.schemas") / "job.schema.json"
    return hashlib.sha256(schema.read_bytes()).hexdigest()[:SCHEMA_DIGITS]


def torch_version() -> str:
    """torch's version as the locks pin it, without the name of its build; empty where it is not installed."""
    try:
        return metadata.version("torch").partition("+")[0]
    except metadata.PackageNotFoundError:
        return ""


def cuda_version() -> str:
    """Major and minor version of the CUDA that came with torch's wheels; "none" without one."""
    for distribution in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if CUDA_RUNTIME.fullmatch(name):
            return ".".join(distribution.version.split(".")[:2])
    return NO_CUDA


def lock_sha256(files: list[Path]) -> str:
    """SHA-256 of the lock files, one after the other in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.name):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def changed_since(installed: Mapping[str, Any], folder: Path = FOLDER) -> list[str]:
    """Packages, as NAME VERSION, of the image's own bill of materials or of ``installed``, and not of both.

    ``installed`` is ``provenance.bill_of_materials()``. Raises OSError or ValueError where no bill can be read.
    """
    with (folder / "sbom.json").open("rb") as stream:
        written = json.loads(stream.read(MAX_BILL_BYTES))
    return sorted(_components(written) ^ _components(installed))


def _components(bill: Any) -> set[str]:
    try:
        return {f"{component['name']} {component['version']}" for component in bill["components"]}
    except (KeyError, TypeError):
        raise ValueError("it is no CycloneDX document") from None


def make_temporary_folder(named: str | None) -> None:
    """Make the folder that TMPDIR names, if it is not there, as in a mount that is new.

    Without it Python takes another folder and says nothing: the working folder, where the root is read-only. One that
    cannot be made is no error here: whatever needs it will say so.
    """
    if named:
        with contextlib.suppress(OSError):
            Path(named).mkdir(parents=True, exist_ok=True)
