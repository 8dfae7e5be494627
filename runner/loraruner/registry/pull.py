"""A version's files on this machine, each with the digest that its manifest says."""

import json
import logging
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from loraruner.errors import SpecInvalid, VersionConflict
from loraruner.registry.address import place_of, resolve
from loraruner.registry.content import download_version, is_there
from loraruner.registry.events import list_lives
from loraruner.registry.find import VersionRef
from loraruner.registry.life import ARCHIVED, REJECTED, RELEASED, Life
from loraruner.registry.rows import clean
from loraruner.settings import Settings
from loraruner.stores import open_store
from loraruner.workspace import MANIFEST

_LOG = logging.getLogger(__name__)
MAX_MANIFEST_BYTES = 16 << 20
WARNED = {
    ARCHIVED: "is archived and out of use; take the released one, or ask who archived it",
    REJECTED: "its last review rejects it; take another one, or ask who reviewed it",
}


def pull(uri: str, settings: Settings, folder: Path | None = None) -> dict[str, Any]:
    """Fetch the version at ``uri`` (a NAME: the released one) into ``folder``, by default ``NAME-VERSION``.

    Files that are there already are kept. Raises InputMissing (66) where nothing is released, VersionConflict (73)
    where the folder holds another version, IntegrityError (74) for bytes that stay wrong.
    """
    ref = resolve(uri, settings, default=RELEASED)
    manifest = ref.manifest
    folder = folder or Path(f"{manifest['name']}-{manifest['version']}")
    _require_same(folder, ref)
    place = place_of(ref)
    life = list_lives(open_store(place.root, settings)).get(place.version, Life()) if place else None
    warnings = list(warnings_of(manifest, life))
    for text in warnings:
        _LOG.warning("%s", text)
    download_version(ref, folder)
    return {
        "name": manifest["name"],
        "version": manifest["version"],
        "run_id": manifest["run_id"],
        "status": life.status if life else None,
        "uri": ref.uri,
        "folder": str(folder),
        "files": len(manifest["files"]),
        "size_bytes": sum(entry["size"] for entry in manifest["files"]),
        "license": manifest["labels"].get("license"),
        "expires": manifest["labels"].get("expires"),
        "warnings": warnings,
    }


def warnings_of(manifest: dict[str, Any], life: Life | None, today: date | None = None) -> list[str]:
    """What somebody should know before he uses a version: its time has run out, it is archived or rejected."""
    name, told = f"{manifest['name']} {manifest['version']}", []
    expires = manifest["labels"].get("expires")
    if expires and is_expired(expires, today):
        told.append(f"{name}: may not be used any more, labels.expires is {clean(expires, 40)}; ask who owns it")
    if life and life.rejected_since:
        told.append(f"{name}: is released, and a later review rejects it; ask who released it")
    if life and life.status in WARNED:
        told.append(f"{name}: {WARNED[life.status]}")
    return told


def is_expired(expires: str, today: date | None = None) -> bool:
    """Whether a day (YYYY-MM-DD) lies before today in UTC; what is no day never does."""
    try:
        return date.fromisoformat(expires.strip()[:10]) < (today or datetime.now(UTC).date())
    except ValueError:
        return False


def _require_same(folder: Path, ref: VersionRef) -> None:
    """Raise VersionConflict for a folder with another version, or with other files that would be written over.

    Raises SpecInvalid (64) for what is no folder.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise SpecInvalid(f"{folder}: is there and is no folder; name another one with --to")
    path = folder / MANIFEST
    if not path.is_file():
        for entry in ref.manifest["files"]:
            if os.path.lexists(folder / entry["name"]) and not is_there(folder / entry["name"], entry):
                raise VersionConflict(f"{folder / entry['name']}: is another file; name an empty folder with --to")
        return
    try:
        there = json.loads(path.read_bytes()) if path.stat().st_size <= MAX_MANIFEST_BYTES else None
    except (ValueError, RecursionError):
        there = None
    if not isinstance(there, dict) or there.get("digest") != ref.manifest.get("digest"):
        raise VersionConflict(f"{folder}: holds another version already; name an empty folder with --to")
