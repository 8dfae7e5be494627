"""What a version was made with: Python, packages, and the bill of materials."""

import platform
from importlib import metadata
from typing import Any

from loraruner import __version__

NAMED_PACKAGES = ("torch", "diffusers", "transformers", "peft", "safetensors", "accelerate", "numpy", "pillow", "boto3")


def software() -> dict[str, Any]:
    """Versions of Python, loraruner and the packages that shape a result."""
    installed = {d.metadata["Name"].lower(): d.version for d in metadata.distributions() if d.metadata["Name"]}
    packages = {name: installed[name] for name in NAMED_PACKAGES if name in installed}
    return {"loraruner": __version__, "python": platform.python_version(), "packages": packages}


def bill_of_materials() -> dict[str, Any]:
    """All installed packages as a CycloneDX 1.5 document."""
    components = [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name.lower()}@{version}"}
        for name, version in sorted({(d.metadata["Name"], d.version) for d in metadata.distributions()})
    ]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}
