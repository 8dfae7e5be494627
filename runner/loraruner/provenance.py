"""What a version was made with: Python, packages, and the bill of materials."""

import platform
import re
from importlib import metadata
from typing import Any

from loraruner import __version__

NAMED_PACKAGES = (
    *("torch", "diffusers", "transformers", "peft", "safetensors", "accelerate", "numpy"),
    *("pillow", "soundfile", "soxr", "jiwer", "boto3"),
)


def software(image: str | None = None, revision: str | None = None) -> dict[str, Any]:
    """Versions of Python, loraruner and the packages that shape a result; the image and its source where known."""
    installed = {_normal(d.metadata["Name"]): d.version for d in metadata.distributions() if _is_whole(d)}
    packages = {name: installed[name] for name in NAMED_PACKAGES if name in installed}
    built = {key: value for key, value in (("image", image), ("revision", revision)) if value}
    return {"loraruner": __version__, "python": platform.python_version(), "packages": packages, **built}


def bill_of_materials() -> dict[str, Any]:
    """All installed packages as a CycloneDX 1.5 document."""
    components = [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{_normal(name)}@{version}"}
        for name, version in sorted({(d.metadata["Name"], d.version) for d in metadata.distributions() if _is_whole(d)})
    ]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}


def _is_whole(distribution: metadata.Distribution) -> bool:
    """Whether its metadata can be read: an interrupted install leaves folders without a name."""
    return bool(distribution.metadata["Name"] and distribution.version)


def _normal(name: str) -> str:
    """The name as package indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()
