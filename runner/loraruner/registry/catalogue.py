"""What has been published below an address, and one version in full."""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.registry.find import IN_NAME, MANIFEST_KEY, VersionRef, find_version, latest, read_version
from loraruner.settings import Settings
from loraruner.stores import open_store
from loraruner.stores.base import Store
from loraruner.workspace import MANIFEST, VERSIONS_PREFIX

_LOG = logging.getLogger(__name__)
READERS = 8


def list_versions(uri: str, settings: Settings) -> list[dict[str, Any]]:
    """One row for each version below an output address or one NAME's, by name and age.

    A version without a readable manifest is no row; a damaged one is told in a warning.
    """
    store = open_store(uri.rstrip("/"), settings)
    keys = _manifest_keys(store, VERSIONS_PREFIX) or _manifest_keys(store, "")
    newest = {name: _latest(store, name) for name in {_name(key) for key in keys}}
    with ThreadPoolExecutor(READERS, thread_name_prefix="manifest") as pool:
        found = list(pool.map(lambda key: _read(store, key), keys))
    refs = ((_name(key), ref) for key, ref in zip(keys, found, strict=True) if ref)
    rows = [_row(ref, is_latest=ref.manifest["version"] == newest[name]) for name, ref in refs]
    return sorted(rows, key=lambda row: (row["name"], row["created"], row["version"]))


def show_version(uri: str, settings: Settings) -> dict[str, Any]:
    """A version's manifest with its address; ``latest`` is None for a copy outside of its NAME.

    Raises what ``find_version`` raises.
    """
    ref = find_version(uri, settings)
    is_latest = None
    if inside := IN_NAME.fullmatch(f"{ref.store.uri.rstrip('/')}/{ref.prefix}".rstrip("/")):
        is_latest = _latest(open_store(inside["root"], settings)) == inside["version"]
    return {"uri": ref.uri, "latest": is_latest, **ref.manifest}


def _manifest_keys(store: Store, prefix: str) -> list[str]:
    return [info.key for info in store.list(prefix) if MANIFEST_KEY.fullmatch(info.key)]


def _name(key: str) -> str:
    """The NAME in a manifest's key, empty where the store is the NAME's."""
    return key.rpartition(VERSIONS_PREFIX)[0].rstrip("/")


def _latest(store: Store, name: str = "") -> str | None:
    try:
        return latest(store, name)
    except DataInvalid as error:
        _LOG.warning("%s", error)
        return None


def _read(store: Store, key: str) -> VersionRef | None:
    prefix = key.removesuffix(MANIFEST)
    try:
        return read_version(store, prefix, prefix.rstrip("/").rpartition("/")[2])
    except DataInvalid as error:
        _LOG.warning("not listed: %s", error)
        return None


def _row(ref: VersionRef, *, is_latest: bool) -> dict[str, Any]:
    manifest, metrics = ref.manifest, ref.manifest["metrics"]
    return {
        **{key: manifest[key] for key in ("name", "version")},
        "latest": is_latest,
        **{key: manifest[key] for key in ("task", "created", "run_id", "status", "steps")},
        "last_loss": metrics["last_loss"],
        "evaluation_before": (metrics["evaluation_before"] or {}).get("loss"),
        "evaluation_after": (metrics["evaluation_after"] or {}).get("loss"),
        "wer_before": metrics["samples"].get("wer.before"),
        "wer_after": metrics["samples"].get("wer.after"),
        "size_bytes": _size(manifest["files"]),
        "uri": ref.uri,
    }


def _size(entries: Iterable[dict[str, Any]]) -> int:
    return sum(entry["size"] for entry in entries)
