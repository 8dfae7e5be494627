"""The real Helm on the chart of this repository."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.tools import HELM

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/loraruner"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
DISPATCH = CHART / "ci/dispatch-values.yaml"
JOB_VALUES = [path for path in CI_VALUES if path != DISPATCH]  # each has a job
MINIMAL = CHART / "ci/minimal-values.yaml"

Document = dict[str, Any]


def helm(*arguments: str | Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run it; its caches and accounts lie in ``home``, by default nowhere."""
    folder = str(home or "/nonexistent")
    names = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HOME")
    command = [str(HELM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=dict.fromkeys(names, folder))


def told(*arguments: str | Path, home: Path | None = None) -> str:
    """What it prints; it must succeed."""
    done = helm(*arguments, home=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


def overlay(values: Mapping[str, Any], release: str = "demo") -> list[str]:
    """Arguments that render the chart with the minimal values and ``values`` on top, as JSON."""
    changes = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
    return ["template", release, str(CHART), "--namespace", "ml", "--values", str(MINIMAL), *changes]


def rendered(values: Mapping[str, Any] | Path = MINIMAL, release: str = "demo") -> list[Document]:
    """The manifests of the minimal values with ``values`` on top, or of a file."""
    if isinstance(values, Path):
        return documents(told("template", release, CHART, "--namespace", "ml", "--values", values))
    return documents(told(*overlay(values, release)))


def refused(values: Mapping[str, Any]) -> str:
    """Why Helm renders nothing of the minimal values with ``values`` on top."""
    done = helm(*overlay(values))
    assert done.returncode != 0 and not done.stdout, done.stdout
    return done.stderr


def documents(text: str) -> list[Document]:
    """Manifests of a stream, without empty ones."""
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(manifests: Iterable[Document], kind: str) -> list[Document]:
    """Those of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def the(manifests: Iterable[Document], kind: str) -> Document:
    """The only one of its kind."""
    (manifest,) = of_kind(manifests, kind)
    return manifest


def environment(pod: Document, container: int = 0) -> dict[str, Any]:
    """Name -> value, or where it comes from, of a pod's container."""
    listed = pod["spec"]["containers"][container]["env"]
    assert len({entry["name"] for entry in listed}) == len(listed), listed
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in listed}
