"""Outputs with versions, ended runs and events, for the tests of the registry; nothing is trained."""

import json
from pathlib import Path
from typing import Any

from loraruner.registry.rows import Row, of_manifest
from loraruner.stores.base import Store
from tests.support import published

WHEN = "2026-11-22T08:00:00+00:00"
ENTRY = {"name": "README.md", "size": 3, "sha256": published.DIGEST}


def manifest(name: str = "neon-style", version: str = "1", task: str = "text-to-image", **more: Any) -> dict[str, Any]:
    """A manifest that is valid, with ``more`` in place of what it would say."""
    core = json.loads(json.dumps(published.document(task, name)))
    labels = {**core["labels"], **more.pop("labels", {})}
    run_id = more.pop("run_id", f"{name}-run-{version}")
    return published.signed({**core, "version": version, "run_id": run_id, "labels": labels, "files": [ENTRY], **more})


def row(name: str = "neon-style", version: str | None = "1", **more: Any) -> Row:
    """The row of such a version, or (None) of a run that diverged, with ``more`` in place of what it would say."""
    made = of_manifest(manifest(name, version or "1"), is_latest=False)
    lost = {"version": None, "status": None, "state": "diverged", "exit_code": 79, "run_id": f"{name}-lost"}
    return {**made, **({} if version else lost), **more}


def write_version(output: Path, name: str = "neon-style", version: str = "1", **more: Any) -> None:
    """A version below an output, as a manifest and the pointer."""
    write(output / name / f"versions/{version}/manifest.json", manifest(name, version, **more))
    write(output / name / "latest.json", {"version": version})


def write_failure(output: Path, name: str = "neon-style", run_id: str = "neon-style-lost", **more: Any) -> None:
    """A run that diverged, below an output."""
    job = {"created": "2026-11-22T07:00:00+00:00", "job": manifest(name)["job"]}
    status = {"run_id": run_id, "state": "diverged", "exit_code": 79, "step": 17, "loss": 5.5, "updated": WHEN}
    write(output / name / f"runs/{run_id}/job.json", job)
    write(output / name / f"runs/{run_id}/status.json", {**status, **more})


def write_review(output: Path, number: int = 1, name: str = "neon-style", version: str = "1", **more: Any) -> None:
    """A review as a reviewer leaves it: an approval, unless ``more`` says otherwise."""
    event = {"format": 1, "version": version, "verdict": "approved", "by": "ada", "when": WHEN, "comment": ""}
    write(output / name / f"reviews/{version}/{number:04d}.json", {**event, **more})


def write(path: Path, document: object) -> None:
    """A JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


class Careless:
    """A store that takes no notice of conditions, as some endpoints do."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        """Written whatever is there."""
        return self._store.write(key, data)
