"""Artifactory's build-info of a release: what was made, from what, and where it lies."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ci.releasing.digests import Digests
from ci.releasing.notes import Pin
from ci.releasing.settings import OciPlace
from ci.releasing.tree import Tree

SCHEMA_VERSION = "1.0.1"


class Placed(NamedTuple):
    """A file of the release. ``repository`` is empty where it lies on another server than Artifactory."""

    name: str
    kind: str
    repository: str
    path: str
    digests: Digests


class Module(NamedTuple):
    """What belongs together in a build."""

    id: str
    kind: str
    files: Sequence[Placed]
    needs: Sequence[Pin]


def pypi_key(url: str, artifactory: str) -> str:
    """The key of the repository behind an address of Artifactory's package API; nothing for another server."""
    prefix = f"{artifactory}/api/pypi/"
    return url.removeprefix(prefix).partition("/")[0] if url.startswith(prefix) else ""


def oci_key(place: OciPlace, artifactory: str) -> tuple[str, str]:
    """Key and path of a place in Artifactory's registry (``HOST/KEY/PATH``); two times nothing for another server."""
    key, _, path = place.path.partition("/")
    return (key, path) if place.host == urlsplit(artifactory).netloc else ("", "")


def properties(tree: Tree, build_name: str) -> dict[str, str]:
    """What ties a file to its build, the same in every run."""
    return {
        "build.name": build_name,
        "build.number": tree.version,
        "build.timestamp": str(tree.epoch_s * 1000),
        "vcs.revision": tree.revision,
    }


def document(tree: Tree, build_name: str, modules: Sequence[Module]) -> dict[str, Any]:
    """The build-info; of the environment it holds nothing."""
    vcs = {"url": tree.remote, "revision": tree.revision, "branch": tree.branch, "message": tree.message}
    return {
        "version": SCHEMA_VERSION,
        "name": build_name,
        "number": tree.version,
        "started": datetime.fromtimestamp(tree.epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        "buildAgent": {"name": "python", "version": platform.python_version()},
        "agent": {"name": "ci/release", "version": tree.version},
        "vcs": [{name: value for name, value in vcs.items() if value}],
        "modules": [_module(each) for each in modules],
    }


def _module(module: Module) -> dict[str, Any]:
    return {
        "id": module.id,
        "type": module.kind,
        "artifacts": [_artifact(file) for file in module.files],
        "dependencies": [_dependency(pin) for pin in module.needs],
    }


def _artifact(file: Placed) -> dict[str, str]:
    found = {"name": file.name, "type": file.kind, **file.digests._asdict()}
    return {**found, "path": file.path, "originalDeploymentRepo": file.repository} if file.repository else found


def _dependency(pin: Pin) -> dict[str, str]:
    # A lock holds the digests of every file of a package; which one an installer took is known only where it has one.
    known = {"sha256": pin.sha256[0]} if len(pin.sha256) == 1 else {}
    return {"id": f"{pin.name}:{pin.version}", "type": "pypi", **known}


def identity(found: Mapping[str, Any]) -> str:
    """A digest of what a build made; nothing for no build."""
    if not found:
        return ""
    made = [
        [module.get("id", ""), sorted((file.get("name", ""), file.get("sha256", "")) for file in module["artifacts"])]
        for module in found.get("modules", [])
        if module.get("artifacts")
    ]
    return f"sha256:{hashlib.sha256(json.dumps(sorted(made)).encode()).hexdigest()}"
