"""Logs and metrics of a run's attempts: sent to the store while it runs, put together for the version."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from loraruner.errors import InputMissing
from loraruner.files import naming, write_bytes
from loraruner.stores.base import Store
from loraruner.workspace import RunKeys, Workspace

_LOG = logging.getLogger(__name__)


def ship(workspace: Workspace, store: Store, keys: RunKeys, attempt: int) -> None:
    """Upload what this attempt has logged so far."""
    folder = workspace.logs(attempt)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        store.upload(path, keys.logs(attempt) + path.relative_to(folder).as_posix())


def gather(workspace: Workspace, store: Store, keys: RunKeys, attempt: int) -> None:
    """Write ``metrics.jsonl``, ``train.log`` and ``tensorboard/`` of all attempts into the version folder.

    Steps that a later attempt did again (everything after the checkpoint it resumed from) count once, the later wins.
    """
    for earlier in range(1, attempt):
        _fetch(workspace.logs(earlier), store, keys.logs(earlier))
    records: dict[tuple[str, int], str] = {}
    with naming(workspace.version), (workspace.version / "train.log").open("wb") as log:
        for number in range(1, attempt + 1):
            records.update(_records(workspace.metrics(number)))
            log.write(_bytes(workspace.train_log(number)))
            _copy(workspace.tensorboard(number), workspace.version / "tensorboard")
    ordered = [records[key] for key in sorted(records, key=lambda key: (key[1], key[0] != "train"))]
    write_bytes(workspace.version / "metrics.jsonl", "".join(ordered).encode())


def _copy(events: Path, folder: Path) -> None:
    """Event files side by side; one by one, as the error of ``shutil.copytree`` hides that the disk is full."""
    for path in sorted(events.iterdir()) if events.exists() else ():
        folder.mkdir(exist_ok=True)
        shutil.copyfile(path, folder / path.name)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a ``metrics.jsonl`` file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def _fetch(folder: Path, store: Store, prefix: str) -> None:
    for info in store.list(prefix):
        path = folder / info.key.removeprefix(prefix)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                store.download(info.key, path)
            except InputMissing:  # retired between listing and reading: logs are a convenience, not state
                continue


def _records(path: Path) -> dict[tuple[str, int], str]:
    """Lines by (group, step); a last line that a kill cut short is left out, and with a warning what is damaged."""
    found: dict[tuple[str, int], str] = {}
    for number, line in enumerate(_bytes(path).decode(errors="replace").split("\n")[:-1], start=1):
        if key := _key(line):
            found[key] = f"{line}\n"
        else:
            _LOG.warning("%s: line %d is damaged and left out", path, number)
    return found


def _key(line: str) -> tuple[str, int] | None:
    try:
        record = json.loads(line)
        group, step = record["group"], record["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (group, step) if isinstance(group, str) and isinstance(step, int) else None


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
