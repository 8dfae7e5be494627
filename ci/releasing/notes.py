"""The small files of a release: requirements with hashes, bill of materials, the record, checksums."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ci.releasing.digests import sha256

LOCKS = {"cpu": ("docker/cpu.lock", "docker/torch-cpu.lock"), "runtime": ("docker/cuda.lock",)}
BLOCK = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)[^\n]*(?:\n[ \t]+--hash=[^\n]*)*", re.MULTILINE)


class Pin(NamedTuple):
    """One locked package; the SHA-256 of every file that was published for it."""

    name: str
    version: str
    sha256: tuple[str, ...]
    text: str


def pins(tree: Path, target: str) -> list[Pin]:
    """What an image of ``target`` installs, by name; nothing where the tree has no such lock."""
    paths = [tree / name for name in LOCKS[target]]
    if not all(path.is_file() for path in paths):
        return []
    found = {}
    for path in paths:
        for match in BLOCK.finditer(path.read_text(encoding="utf-8")):
            hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", match[0]))
            found[match[1].lower()] = Pin(match[1], match[2], hashes, match[0])
    return [found[name] for name in sorted(found)]


def requirements(version: str, packages: Sequence[Path], locked: Sequence[Pin]) -> str:
    """A file for ``pip install --require-hashes -r``: this release and all that it needs."""
    hashes = " \\\n".join(f"    --hash=sha256:{sha256(path)}" for path in packages)
    blocks = [f"loraruner=={version} \\\n{hashes}", *(pin.text for pin in locked)]
    return f"# loraruner {version} and all that it needs: pip install --require-hashes -r THIS\n" + "".join(
        f"{block}\n" for block in blocks
    )


def bill_of_materials(version: str, locked: Sequence[Pin]) -> dict[str, Any]:
    """The release and its locked packages as a CycloneDX 1.5 document."""

    def component(kind: str, name: str, its_version: str) -> dict[str, str]:
        purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{its_version}"
        return {"type": kind, "bom-ref": purl, "name": name, "version": its_version, "purl": purl}

    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component("application", "loraruner", version)},
        "components": [component("library", pin.name, pin.version) for pin in locked],
    }


def checksums(files: Sequence[Path]) -> str:
    """The lines of SHA256SUMS."""
    return "".join(f"{sha256(path)}  {path.name}\n" for path in sorted(files, key=lambda path: path.name))


def of_checksums(text: str) -> dict[str, str]:
    """File name -> SHA-256, as SHA256SUMS has it."""
    return {match[2]: match[1] for match in re.finditer(r"^([0-9a-f]{64})  (\S+)$", text, flags=re.MULTILINE)}


def pretty(document: Mapping[str, Any]) -> str:
    """A document as its file: sorted, indented, with a newline at its end."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
