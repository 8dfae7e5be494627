"""From an address to a version: a version folder itself, or the newest version below a NAME."""

import json
import re
from dataclasses import dataclass
from typing import Any

from loraruner.errors import DataInvalid, InputMissing, SpecInvalid
from loraruner.registry.document import parse, validate_manifest
from loraruner.settings import Settings
from loraruner.spec import Spec, load
from loraruner.stores import open_store
from loraruner.stores.base import Store
from loraruner.stores.keys import join
from loraruner.workspace import LATEST_KEY, MANIFEST, VERSIONS_PREFIX, manifest_key, version_prefix

SHOWN_VERSIONS = 10
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
IN_NAME = re.compile(r"(?P<root>.+)/versions/(?P<version>[^/]+)")
MANIFEST_KEY = re.compile(r"(?:(?P<name>[^/]+)/)?versions/(?P<version>[^/]+)/manifest\.json")


@dataclass(frozen=True)
class VersionRef:
    """A version that exists: its files are the objects ``prefix + name`` of ``store``."""

    store: Store
    prefix: str  # "versions/3/", or "" where the store is the version folder
    manifest: dict[str, Any]

    @property
    def uri(self) -> str:
        """Address of the version folder."""
        return join(self.store.uri, self.prefix.rstrip("/"))


def find_version(uri: str, settings: Settings) -> VersionRef:
    """The version at ``uri``: a folder that holds a manifest, else a NAME, whose ``latest.json`` decides.

    Raises InputMissing (66) naming what exists, DataInvalid (65) for a manifest that breaks its schema or says
    another version than its folder.
    """
    uri = uri.rstrip("/")
    store = open_store(uri, settings)
    if store.head(MANIFEST) is not None:
        inside = IN_NAME.fullmatch(uri)
        return read_version(store, "", inside["version"] if inside else None)
    if inside := IN_NAME.fullmatch(uri):
        root = open_store(inside["root"], settings)
        raise InputMissing(f"{join(uri, '')}: there is no such version; {_existing(root)}")
    version = latest(store)
    if version is None:
        raise InputMissing(f"{join(uri, '')}: holds neither {MANIFEST} nor {LATEST_KEY}; {_existing(store)}")
    if store.head(manifest_key(version)) is None:
        raise InputMissing(f"{join(uri, LATEST_KEY)}: names version {version}, which is not there; {_existing(store)}")
    return read_version(store, version_prefix(version), version)


def read_version(store: Store, prefix: str, version: str | None) -> VersionRef:
    """The version below ``prefix``; its manifest is checked, and that it says ``version`` where one is given."""
    source = join(store.uri, f"{prefix}{MANIFEST}")
    manifest = parse(store.read(f"{prefix}{MANIFEST}")[0], source)
    validate_manifest(manifest, source)
    if version is not None and manifest["version"] != version:
        raise DataInvalid(
            f"{source}: $.version is {manifest['version']!r} in the folder of version {version!r}; "
            "give the folder its own name back"
        )
    return VersionRef(store, prefix, manifest)


def spec_of(ref: VersionRef) -> Spec:
    """The job that made a version; raises DataInvalid (65) where its manifest holds none that is valid."""
    try:
        return load(json.dumps(ref.manifest["job"]).encode()).spec
    except SpecInvalid as error:
        raise DataInvalid(f"{join(ref.uri, MANIFEST)}: $.job is no valid job: {error}") from error


def latest(store: Store, name: str = "") -> str | None:
    """The version that ``latest.json`` names, None where there is none; ``name`` is a NAME below the store's root."""
    key = f"{name}/{LATEST_KEY}".lstrip("/")
    if store.head(key) is None:
        return None
    source = join(store.uri, key)
    version = parse(store.read(key)[0], source).get("version")
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise DataInvalid(f"{source}: $.version is {version!r:.50}, no version; publish again or delete the file")
    return version


def _existing(store: Store) -> str:
    """What could have been meant, for the end of an error message."""
    found = [m["version"] for info in store.list(VERSIONS_PREFIX) if (m := MANIFEST_KEY.fullmatch(info.key))]
    if found:
        return f"give one of {VERSIONS_PREFIX}{{{','.join(found[:SHOWN_VERSIONS])}}} in {join(store.uri, '')}"
    names = sorted({m["name"] for info in store.list() if (m := MANIFEST_KEY.fullmatch(info.key)) and m["name"]})
    if names:
        return f"adapters in {join(store.uri, '')}: {', '.join(names[:SHOWN_VERSIONS])}"
    return f"nothing is published in {join(store.uri, '')}"
