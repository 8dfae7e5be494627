"""Is this machine fit to train? One finding a line."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from loraruner import image
from loraruner.errors import LoraRunerError
from loraruner.provenance import bill_of_materials
from loraruner.settings import Settings, shown
from loraruner.stores import open_store

NEEDED = (
    "torch",
    "diffusers",
    "transformers",
    "peft",
    "accelerate",
    "safetensors",
    "pillow",
    "gguf",
    "matplotlib",
    "tensorboard",
)
# package -> the extra that brings it
OPTIONAL = {
    "boto3": "s3",
    "prometheus-client": "metrics",
    "httpx2": "notify",
    "smartsheet-python-sdk": "smartsheet",
}
LOW_DISK_BYTES = 5 << 30


@dataclass(frozen=True)
class Finding:
    """One check: ``ok`` is False when a run would fail because of it."""

    check: str
    ok: bool
    detail: str


def examine(settings: Settings, store_uri: str | None) -> Iterator[Finding]:
    """Packages, image, device, threads, disk, the operator's variables (never values of secrets), a store."""
    yield from _packages()
    if image.is_image():
        yield from image_findings(settings.revision)
    if find_version("torch"):
        yield from _device()
    for name, folder in (("cache", settings.cache), ("workdir", settings.workdir)):
        yield _folder(name, folder)
    for variable, value in shown().items():
        yield Finding(variable, True, value)
    if store_uri:
        yield _store(store_uri, settings)


def find_version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def gpu_memory_bytes() -> int | None:
    """All memory of the GPU that training would use; None without a GPU, or without torch."""
    if not find_version("torch"):
        return None
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else None


def _packages() -> Iterator[Finding]:
    for package in (*NEEDED, *OPTIONAL):
        version = find_version(package)
        detail = version or f"not installed; pip install 'loraruner[{OPTIONAL.get(package, 'train')}]'"
        yield Finding(package, bool(version) or package in OPTIONAL, detail)


def image_findings(revision: str | None, folder: Path = image.FOLDER) -> Iterator[Finding]:
    """What the labels of this container image must say, and whether its packages are those of its bill."""
    for label, value in image.labels(revision, folder).items():
        yield Finding(label, True, value or "unknown")
    try:
        changed = image.changed_since(bill_of_materials(), folder)
    except (OSError, ValueError) as error:
        yield Finding("sbom", False, f"{folder / 'sbom.json'} cannot be read ({error}); pull the image again")
        return
    detail = f"differs from what is installed: {', '.join(changed[:5])}; pull the image again" if changed else ""
    yield Finding("sbom", not changed, detail or f"{folder / 'sbom.json'} lists what is installed")


def _folder(name: str, folder: Path) -> Finding:
    """Whether a folder, or the one in which it would be made, can be written and has room."""
    existing = next(path for path in (folder, *folder.parents) if os.path.exists(path))  # False where one may not look
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        return Finding(name, False, f"{folder}: {existing} cannot be written; name a folder, or be a user, that can")
    free = shutil.disk_usage(existing).free
    return Finding(name, free >= LOW_DISK_BYTES, f"{folder}: {free / 1e9:.1f} GB free")


def _device() -> Iterator[Finding]:
    import torch

    from loraruner.threads import available_cpus

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        detail = f"{name}, CUDA {torch.version.cuda}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    else:
        detail = "none: training runs on the CPU"
    yield Finding("gpu", True, detail)
    yield Finding("cpus", True, f"{available_cpus()} to be used, {torch.backends.cpu.get_cpu_capability()}")


def _store(uri: str, settings: Settings) -> Finding:
    try:
        found = open_store(uri, settings).probe()
    except LoraRunerError as error:
        return Finding("store", False, str(error))
    honoured = "are honoured" if found.create_exclusive and found.replace_if_match else "are NOT all honoured"
    return Finding("store", True, f"{uri} can be read and written; conditional writes {honoured}")
