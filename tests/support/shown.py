"""What a store shows to whoever reads it: every checkpoint loads, every version is whole, nothing is torn."""

import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from loraruner import settings
from loraruner.errors import LoraRunerError
from loraruner.registry.catalogue import list_versions
from loraruner.registry.content import verify_version
from loraruner.registry.find import find_version
from loraruner.stores import open_store
from loraruner.stores.base import Store
from loraruner.workspace import LATEST_KEY, MANIFEST

Outcome = dict[str, Any]


def faults(uri: str) -> list[str]:
    """Everything in the store at ``uri`` (one NAME's) that a reader could not use; empty when all is well.

    Checkpoints and versions that have a manifest must be whole; those without one don't exist.
    """
    store = open_store(uri, settings.load())
    keys = [info.key for info in store.list()]
    found = [*torn(store, keys), *bad_checkpoints(uri, keys), *bad_versions(uri, keys)]
    if LATEST_KEY in keys:
        found += _tried(f"{LATEST_KEY} does not lead to a version", partial(find_version, uri, settings.load()))
    return found


def torn(store: Store, keys: list[str]) -> Iterator[str]:
    """JSON that does not parse; a line of a log may be cut at its end, where the process that wrote it ended."""
    for key in keys:
        if key.endswith(".json"):
            texts = [store.read(key)[0]]
        elif key.endswith(".jsonl"):
            texts = store.read(key)[0].splitlines(keepends=True)
            texts = texts[:-1] if texts and not texts[-1].endswith(b"\n") else texts
        else:
            continue
        try:
            for text in texts:
                json.loads(text)
        except ValueError as error:
            yield f"{key} is torn: {error}"


def bad_checkpoints(uri: str, keys: list[str]) -> Iterator[str]:
    """Checkpoints with a manifest that don't load, or whose digests differ."""
    from loraruner.training.checkpoints import fetch_foreign

    names = [key.removesuffix(f"/{MANIFEST}") for key in keys if "/checkpoints/" in key and key.endswith(MANIFEST)]
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(names):
            read = partial(fetch_foreign, open_store(f"{uri}/{name}", settings.load()), Path(folder, str(number)))
            yield from _tried(f"{name} does not load", read)


def bad_versions(uri: str, keys: list[str]) -> list[str]:
    """Versions with a manifest that the registry does not list, or whose files are not what it says."""
    names = [key.split("/")[1] for key in keys if key.startswith("versions/") and key.endswith(f"/{MANIFEST}")]
    found = []
    for name in names:
        check = partial(verify_version, f"{uri}/versions/{name}", settings.load())
        found += _tried(f"version {name} is not whole", check)
    listed = [row["version"] for row in list_versions(uri, settings.load())]
    return found if sorted(listed) == sorted(names) else [*found, f"the registry lists {listed} of versions {names}"]


def outcome(uri: str) -> Outcome:
    """What a finished run left: tensor bytes after each header (hex), the loss of each step, state, version, holder."""
    store = open_store(uri, settings.load())
    ref = find_version(uri, settings.load())
    files = [entry["name"] for entry in ref.manifest["files"] if entry["name"].endswith(".safetensors")]
    metrics = store.read(f"{ref.prefix}metrics.jsonl")[0].splitlines()
    records = [record for record in map(json.loads, metrics) if record["group"] == "train"]
    run = f"runs/{ref.manifest['run_id']}"
    status = json.loads(store.read(f"{run}/status.json")[0])
    lease = json.loads(store.read(f"{run}/lease.json")[0]) if store.head(f"{run}/lease.json") else {"released": True}
    return {
        "tensors": {name: _after_header(store.read(f"{ref.prefix}{name}")[0]).hex() for name in files},
        "losses": {str(record["step"]): record["loss"] for record in records},
        "state": status["state"],
        "version": ref.manifest["version"],
        "released": bool(lease["released"]),
    }


def differences(expected: Outcome, found: Outcome, *, told_before: bool = False) -> list[str]:
    """In what a run differs from the uninterrupted one.

    With ``told_before`` its last attempt found the version published and did nothing: the one before it was killed
    after the manifest was there, so that its lease is left to expire.
    """
    keys = ("version", "state") if told_before else ("version", "state", "released")
    told = [f"{key} is {found[key]!r} instead of {expected[key]!r}" for key in keys if found[key] != expected[key]]
    for key in ("tensors", "losses"):
        names = sorted(expected[key].keys() | found[key].keys())
        told += [f"{key} of {name} differ" for name in names if expected[key].get(name) != found[key].get(name)]
    return told


def _tried(what: str, check: Callable[[], object]) -> list[str]:
    try:
        check()
    except LoraRunerError as error:
        return [f"{what}: {error}"]
    except Exception as error:
        logging.getLogger(__name__).exception("%s", what)
        return [f"{what}: {type(error).__name__}: {error}"]
    return []


def _after_header(data: bytes) -> bytes:
    return data[8 + int.from_bytes(data[:8], "little") :]
