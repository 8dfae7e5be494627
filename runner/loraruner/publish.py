"""Versions: reserved, written, and visible only once their manifest is there."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loraruner.errors import IntegrityError, TemporaryFailure, VersionConflict
from loraruner.files import Digest, digest_file, write_bytes
from loraruner.stores.base import Capabilities, PreconditionFailed, Store
from loraruner.stores.documents import digest_of, read_document, require_undamaged
from loraruner.stores.register import Register, written_by_another
from loraruner.workspace import (
    DIGEST_FIELD,
    LATEST_KEY,
    MANIFEST,
    RESERVATIONS_PREFIX,
    RunKeys,
    manifest_key,
    reservation_key,
    version_prefix,
)

_LOG = logging.getLogger(__name__)
POINTER_TRIES = 10
WRITE_TRIES = 3
OWNER = {"run_id": str}
AUTOMATIC = re.compile(r"(\d+)(-[0-9a-f]{12})?")  # N, or N-<run digest>


@dataclass(frozen=True)
class Published:
    """A version that exists."""

    version: str
    manifest: dict[str, Any]


def find_published(store: Store, version: str, run_id: str) -> Published | None:
    """The version that this run has published already, or None.

    ``version`` is the job's: ``auto`` looks through the run's own reservations. Raises VersionConflict (73) when an
    explicit version belongs to another run.
    """
    if version != "auto":
        manifest = read_manifest(store, version)
        if manifest and manifest["run_id"] != run_id:
            raise VersionConflict(
                f"$.output.version: version {version!r} exists in {store.uri}, made by run {manifest['run_id']}; "
                'versions never change: choose another one or "auto"'
            )
        _require_unreserved(store, version, run_id)
        return Published(version, manifest) if manifest else None
    for number in _owned_by(store, _reserved(store), run_id):
        if manifest := read_manifest(store, number):
            return Published(number, manifest)
    return None


def read_manifest(store: Store, version: str) -> dict[str, Any] | None:
    """A version's manifest, or None when the version does not exist."""
    if store.head(manifest_key(version)) is None:
        return None
    manifest, _ = read_document(store, manifest_key(version), {"run_id": str, "created": str})
    require_undamaged(manifest, DIGEST_FIELD, f"{store.uri}/{manifest_key(version)}")
    return manifest


def reserve(store: Store, version: str, run_id: str, capabilities: Capabilities) -> str:
    """The version this run may write: its own reservation, or the next free number created conditionally.

    Without an atomic create no number can be owned, so the version becomes ``N-<run digest>``, with a warning.
    Raises VersionConflict (73) when an explicit version is reserved by another run.
    """
    if version != "auto":
        return _reserve_named(store, version, run_id)
    reserved = _reserved(store)
    if own := _owned_by(store, reserved, run_id):
        return own[-1]
    number = max(map(_number, reserved), default=0) + 1
    if not capabilities.create_exclusive:
        unique = f"{number}-{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"
        _LOG.warning("the store cannot create atomically: the version is named %s instead of %d", unique, number)
        store.write(reservation_key(unique), _owner(run_id))
        return unique
    while True:
        try:
            store.write(reservation_key(str(number)), _owner(run_id), if_absent=True)
        except PreconditionFailed:
            number += 1
            continue
        return str(number)


def publish(
    store: Store,
    capabilities: Capabilities,
    version: str,
    folder: Path,
    manifest: dict[str, Any],
    committing: Callable[[], None] = lambda: None,
) -> Published:
    """Upload ``folder``, read every size back, write the manifest last, then move ``latest.json``.

    ``committing`` is called before the manifest is written: from then on the version may exist. What an earlier
    attempt had decided to publish is published as it is: its last request may be under way still.

    Publishing the same run's version again is a success; another run's manifest is VersionConflict (73). A file that
    another attempt writes meanwhile is TemporaryFailure (75), unless the store's fence tells that first.
    """
    if before := _published_before(store, version, manifest["run_id"]):
        return before
    register = Register(store, RunKeys(manifest["run_id"]).publishing) if capabilities.replace_if_match else None
    if register and (decided := register.own()):
        require_undamaged(decided, DIGEST_FIELD, f"{store.uri}/{RunKeys(manifest['run_id']).publishing}")
        committing()
        return _commit(store, Published(decided["version"], decided))
    send = _replace if capabilities.replace_if_match else _upload
    entries = list(_sent(store, send, version_prefix(version), folder))
    _look_over(store, version, entries)
    complete = {**manifest, "version": version, "files": entries}
    complete[DIGEST_FIELD] = digest_of(complete, without=DIGEST_FIELD)
    published = Published(version, complete)
    write_bytes(folder / MANIFEST, _bytes(complete))
    committing()
    if register:
        register.decide(complete)
    return _commit(store, published)


def _commit(store: Store, published: Published) -> Published:
    """Write the manifest, which nothing changes any more, and the pointer."""
    version = published.version
    try:
        store.write(manifest_key(version), _bytes(published.manifest), if_absent=True)
    except PreconditionFailed:
        if before := _published_before(store, version, published.manifest["run_id"]):
            return before
        raise
    point_latest(store, published)
    _LOG.info("published version %s: %s/%s", version, store.uri, version_prefix(version))
    return published


def _bytes(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=2, sort_keys=True).encode()


def _sent(
    store: Store, send: Callable[[Store, Path, str], Digest], prefix: str, folder: Path
) -> Iterator[dict[str, Any]]:
    """Send every file; yields the manifest's entries."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        name = path.relative_to(folder).as_posix()
        digest = digest_file(path)
        if send(store, path, prefix + name) != digest:
            raise _not_what_was_sent(store, name)
        yield {"name": name, "size": digest.size_bytes, "sha256": digest.sha256}


def _upload(store: Store, path: Path, key: str) -> Digest:
    return store.upload(path, key)


def _replace(store: Store, path: Path, key: str) -> Digest:
    """Write over exactly what is there now: what an attempt that lost the run still has under way comes to nothing."""
    with suppress(PreconditionFailed):
        return store.upload(path, key, if_absent=True)  # nearly always: then nobody need be asked beforehand
    for _ in range(WRITE_TRIES):
        present = store.head(key)
        with suppress(PreconditionFailed):  # it came between
            return store.upload(path, key, **({"if_match": present.etag} if present else {"if_absent": True}))
    raise written_by_another(store, key)


def _published_before(store: Store, version: str, run_id: str) -> Published | None:
    """The version as this run has published it, which nothing changes any more; another run's is VersionConflict."""
    existing = read_manifest(store, version)
    if existing and existing["run_id"] != run_id:
        raise VersionConflict(
            f"version {version!r} of {store.uri} was published by run {existing['run_id']} meanwhile; start the job "
            'again with another $.output.version or "auto"'
        )
    if not existing:
        return None
    point_latest(store, Published(version, existing))
    return Published(version, existing)


def _look_over(store: Store, version: str, entries: list[dict[str, Any]]) -> None:
    """Raise IntegrityError unless every file is there in full; remove what an earlier attempt left beside them.

    One listing tells of them all; of a file that it shows otherwise the object itself is asked.
    """
    prefix = version_prefix(version)
    listed = {info.key.removeprefix(prefix): info.size_bytes for info in store.list(prefix)}
    for entry in entries:
        if listed.pop(entry["name"], None) != entry["size"]:
            stored = store.head(prefix + entry["name"])
            if stored is None or stored.size_bytes != entry["size"]:
                raise _not_what_was_sent(store, entry["name"])
    if store.head(manifest_key(version)) is None:
        for name in listed:
            store.delete(prefix + name)


def _not_what_was_sent(store: Store, name: str) -> IntegrityError:
    return IntegrityError(f"{name}: what {store.uri} holds is not what was sent; nothing was published")


def point_latest(store: Store, done: Published) -> None:
    """Move ``latest.json`` to a version, unless it points to one that was published later.

    Called again for a version that is there already: a kill may have come before the pointer was moved.
    """
    for _ in range(POINTER_TRIES):
        pointer = {"version": done.version, "run_id": done.manifest["run_id"], "moved": _now()}
        data = json.dumps(pointer).encode()
        try:
            if store.head(LATEST_KEY) is None:
                store.write(LATEST_KEY, data, if_absent=True)
                return
            current, etag = read_document(store, LATEST_KEY, {"version": str})
            pointed = current["version"]
            other = None if pointed == done.version else read_manifest(store, pointed)
            if pointed == done.version or (other and _age(pointed, other) > _age(done.version, done.manifest)):
                return
            store.write(LATEST_KEY, data, if_match=etag)
        except PreconditionFailed:
            continue
        return
    raise TemporaryFailure(f"{store.uri}/{LATEST_KEY}: changed {POINTER_TRIES} times while it was written; try again")


def _age(version: str, manifest: dict[str, Any]) -> tuple[str, int]:
    """When a version was made; within one second the higher automatic number is the later one."""
    return manifest["created"], _number(version)


def _number(version: str) -> int:
    """The number of an automatic version; 0 for a named one."""
    found = AUTOMATIC.fullmatch(version)
    return int(found[1]) if found else 0


def _reserve_named(store: Store, version: str, run_id: str) -> str:
    try:
        store.write(reservation_key(version), _owner(run_id), if_absent=True)
    except PreconditionFailed:
        _require_unreserved(store, version, run_id)
    return version


def _require_unreserved(store: Store, version: str, run_id: str) -> None:
    if store.head(reservation_key(version)) is None:
        return
    owner = read_document(store, reservation_key(version), OWNER)[0]["run_id"]
    if owner != run_id:
        raise VersionConflict(f'$.output.version: {version!r} is reserved by run {owner}; choose another one or "auto"')


def _reserved(store: Store) -> list[str]:
    keys = (info.key for info in store.list(RESERVATIONS_PREFIX))
    return [key.removeprefix(RESERVATIONS_PREFIX).removesuffix(".json") for key in keys if key.endswith(".json")]


def _owned_by(store: Store, reserved: list[str], run_id: str) -> list[str]:
    return [
        version for version in reserved if read_document(store, reservation_key(version), OWNER)[0]["run_id"] == run_id
    ]


def _owner(run_id: str) -> bytes:
    return json.dumps({"run_id": run_id, "reserved": _now()}).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
