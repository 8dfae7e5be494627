"""A version's files: fetched by their digests, or hashed again where they lie."""

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from loraruner.errors import InputMissing, IntegrityError
from loraruner.files import Digest, digest_file, require_free
from loraruner.registry.find import VersionRef, find_version
from loraruner.settings import Settings
from loraruner.stores.base import ObjectInfo
from loraruner.stores.keys import join
from loraruner.workspace import MANIFEST

FAULTS = ("missing", "different", "extra")


class VersionDamaged(IntegrityError):
    """Files of a version are not what its manifest says; ``report`` lists them."""

    def __init__(self, report: dict[str, Any]) -> None:
        self.report = report
        counts = {kind: len(report[kind]) for kind in FAULTS}
        kind = next(kind for kind, count in counts.items() if count)
        told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        number = sum(counts.values())
        super().__init__(
            f"{report['uri']}: {number} file{'s are' if number > 1 else ' is'} not what {MANIFEST} says ({told}), "
            f"first {report[kind][0]} ({kind}); do not use this version: restore it from a copy or train it again"
        )


def download_version(ref: VersionRef, folder: Path, names: Collection[str] | None = None) -> None:
    """Fetch a version's files, or those in ``names``, into ``folder``; all of them come with the manifest, last.

    A file that is there already with the right digest is kept. Raises InputMissing (66) for a name that the manifest
    lacks, EnvironmentUnfit (78) when the disk is too small, IntegrityError (74) for bytes that stay wrong.
    """
    entries = {entry["name"]: entry for entry in ref.manifest["files"]}
    unknown = sorted(set(names or ()) - entries.keys())
    if unknown:
        raise InputMissing(f"{ref.uri}: has no file {unknown[0]!r}; it has {', '.join(sorted(entries))}")
    wanted = [entries[name] for name in (entries if names is None else sorted(names))]
    missing = [entry for entry in wanted if not is_there(folder / entry["name"], entry)]
    require_free(folder, sum(entry["size"] for entry in missing), ref.uri)
    for entry in missing:
        _fetch(ref, entry, folder / entry["name"])
    if names is None:
        ref.store.download(f"{ref.prefix}{MANIFEST}", folder / MANIFEST)


def verify_version(uri: str, settings: Settings) -> dict[str, Any]:
    """Hash every file of a version again and compare with its manifest.

    Returns what was verified. Raises VersionDamaged (74) when a file is missing, different, or not in the manifest,
    and what ``find_version`` raises.
    """
    ref = find_version(uri, settings)
    entries = {entry["name"]: entry for entry in ref.manifest["files"]}
    found = {info.key.removeprefix(ref.prefix): info for info in ref.store.list(ref.prefix)}
    report: dict[str, Any] = {
        "uri": ref.uri,
        "name": ref.manifest["name"],
        "version": ref.manifest["version"],
        "run_id": ref.manifest["run_id"],
        "files": len(entries),
        "size_bytes": sum(entry["size"] for entry in entries.values()),
        "missing": sorted(entries.keys() - found.keys()),
        "different": _different(ref, found, settings),
        "extra": sorted(found.keys() - entries.keys() - {MANIFEST}),
    }
    report["verified"] = not any(report[kind] for kind in FAULTS)
    if not report["verified"]:
        raise VersionDamaged(report)
    return report


def _different(ref: VersionRef, found: Mapping[str, ObjectInfo], settings: Settings) -> list[str]:
    """Names of files whose bytes are not those of the manifest; what has another size is not read."""
    different = []
    settings.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=settings.cache) as folder:
        for entry in sorted(ref.manifest["files"], key=lambda entry: entry["name"]):
            stored = found.get(entry["name"])
            if stored is not None and not _is_whole(ref, entry, stored, Path(folder, "content")):
                different.append(entry["name"])
    return different


def _is_whole(ref: VersionRef, entry: Mapping[str, Any], stored: ObjectInfo, scratch: Path) -> bool:
    if stored.size_bytes != entry["size"]:
        return False
    try:
        ref.store.download(f"{ref.prefix}{entry['name']}", scratch, sha256=entry["sha256"])
    except IntegrityError:
        return False
    return True


def is_there(path: Path, entry: Mapping[str, Any]) -> bool:
    """Whether a file holds the bytes that an entry of a manifest tells."""
    wanted = Digest(entry["size"], entry["sha256"])
    return path.is_file() and path.stat().st_size == wanted.size_bytes and digest_file(path) == wanted


def _fetch(ref: VersionRef, entry: Mapping[str, Any], path: Path) -> None:
    """One file; its size is looked at first, so that a hostile store cannot fill the disk."""
    key = f"{ref.prefix}{entry['name']}"
    stored = ref.store.head(key)
    if stored is None or stored.size_bytes != entry["size"]:
        told = "is missing" if stored is None else f"has {stored.size_bytes:,} bytes, not {entry['size']:,}"
        raise IntegrityError(f"{join(ref.store.uri, key)}: {told}, against its manifest; restore the version")
    path.parent.mkdir(parents=True, exist_ok=True)
    ref.store.download(key, path, sha256=entry["sha256"])
