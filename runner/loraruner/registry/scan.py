"""Rows from what is in the store itself: manifests, the ends of runs, events. Slow and true; the index is its copy."""

import logging
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from loraruner.errors import DataInvalid, InputMissing, IntegrityError
from loraruner.registry import events, rows
from loraruner.registry.events import EVENT_KEY, read_lives
from loraruner.registry.find import MANIFEST_KEY, VersionRef, latest, read_version
from loraruner.registry.life import Life
from loraruner.registry.rows import FOLDER, NAME, Row
from loraruner.stores.base import Store
from loraruner.stores.documents import read_document
from loraruner.workspace import LATEST_KEY, MANIFEST, VERSIONS_PREFIX, RunKeys

_LOG = logging.getLogger(__name__)
READERS = 16
STATUS_KEY = re.compile(r"(?:(?P<name>[^/]+)/)?runs/(?P<run>[^/]+)/status\.json")
GOES_ON = (0, 76, 85)  # published, fenced and preempted runs are told by a manifest or by their next attempt
PREFIXES = (VERSIONS_PREFIX, "runs/", events.REVIEWS, events.PROMOTIONS, LATEST_KEY)


@dataclass
class Found:
    """What the keys below one NAME tell: versions with a manifest, runs with a status, events."""

    versions: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    has_latest: bool = False

    def num_events(self, version: str) -> int:
        """How many objects tell of a version's life."""
        return sum(1 for key in self.events if (match := EVENT_KEY.fullmatch(key)) and match["version"] == version)


def survey(keys: Iterable[str]) -> dict[str, Found]:
    """What there is of each NAME; of a store whose root is a NAME's folder the only one is ""."""
    found: dict[str, Found] = {}
    for key in keys:
        name, inside = _split(key)
        if name and not NAME.fullmatch(name):
            continue
        if match := MANIFEST_KEY.fullmatch(key):
            found.setdefault(name, Found()).versions.append(match["version"])
        elif (match := STATUS_KEY.fullmatch(key)) and FOLDER.fullmatch(match["run"]):
            found.setdefault(name, Found()).runs.append(match["run"])
        elif EVENT_KEY.fullmatch(key):
            found.setdefault(name, Found()).events.append(key)
        elif inside == LATEST_KEY:
            found.setdefault(name, Found()).has_latest = True
    return found


def _split(key: str) -> tuple[str, str]:
    first, _, rest = key.partition("/")
    return ("", key) if key == LATEST_KEY or key.startswith(PREFIXES[:4]) else (first, rest)


def survey_name(store: Store, name: str) -> Found:
    """What there is of one NAME below the store's root, without a look at anything else."""
    start = f"{name}/" if name else ""
    keys = [info.key for prefix in PREFIXES for info in store.list(f"{start}{prefix}")]
    return survey(keys).get(name, Found())


def read_rows(
    store: Store, found: Mapping[str, Found], known: Mapping[str, Row] | None = None, run_id: str | None = None
) -> list[Row]:
    """The rows of all runs of these NAMEs that have ended, in no order.

    Manifests and ends that ``known`` (rows by run id) tells already are not read again, but for ``run_id``'s.
    What is damaged is told in a warning and left out.
    """
    kept = {run: row for run, row in (known or {}).items() if run != run_id}
    by_version = {(row["name"], row["version"]): row for row in kept.values() if row["version"] is not None}
    with ThreadPoolExecutor(READERS, thread_name_prefix="registry") as pool:
        places = [(name, version) for name, each in found.items() for version in each.versions]
        versions = pool.map(lambda place: by_version.get(place) or _version(store, *place), places)
        latests = dict(zip(found, pool.map(lambda name: _latest(store, name, found[name]), found), strict=True))
        living = dict(zip(found, pool.map(lambda name: read_lives(store, found[name].events), found), strict=True))
        made = [
            _with_life({**row, "latest": row["version"] == latests[name]}, living[name], found[name])
            for (name, _), row in zip(places, versions, strict=True)
            if row
        ]
        told = {row["run_id"] for row in made}
        ends = [(name, run) for name, each in found.items() for run in each.runs if run not in told]
        failed = pool.map(lambda place: kept.get(place[1]) or _failure(store, *place), ends)
        return made + [row for row in failed if row]


def _with_life(row: Row, living: Mapping[str, Life], found: Found) -> Row:
    life = living.get(row["version"], Life())
    num_events = found.num_events(row["version"])
    return {**row, "status": life.status, "score": life.score, "reviews": len(life.reviews), "events": num_events}


def _latest(store: Store, name: str, found: Found) -> str | None:
    if not found.has_latest:
        return None
    try:
        return latest(store, name)
    except DataInvalid as error:
        _LOG.warning("%s", error)
        return None


def _version(store: Store, name: str, version: str) -> Row | None:
    try:
        ref = read_version(store, f"{name}/{VERSIONS_PREFIX}{version}/".lstrip("/"), version)
        return _row(ref, name)
    except (DataInvalid, IntegrityError, InputMissing) as error:
        _LOG.warning("not listed: %s", error)
        return None


def _row(ref: VersionRef, name: str) -> Row:
    if name and ref.manifest["name"] != name:
        raise DataInvalid(f"{ref.uri}/{MANIFEST}: $.name is {ref.manifest['name']!r}, its folder is {name!r}")
    try:
        return rows.of_manifest(ref.manifest, is_latest=False)
    except ValueError as error:
        raise DataInvalid(f"{ref.uri}/{MANIFEST}: {error}; restore the manifest from a copy") from error


def _failure(store: Store, name: str, run_id: str) -> Row | None:
    """The row of a run that made no version, None while it goes on."""
    keys, start = RunKeys(run_id), f"{name}/" if name else ""
    try:
        status, _ = read_document(store, f"{start}{keys.status}", {})
        if status.get("exit_code") in GOES_ON:
            return None
        job = read_document(store, f"{start}{keys.job}", {})[0] if store.head(f"{start}{keys.job}") else {}
        return rows.of_failure(status, _named(job, name), run_id)
    except (IntegrityError, DataInvalid, InputMissing, ValueError) as error:
        _LOG.warning("not listed: run %s: %s", run_id, error)
        return None


def _named(job: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A job with the NAME of its folder: the run may have ended before its job was written."""
    spec = job.get("job")
    spec = spec if isinstance(spec, dict) else {}
    return {**job, "job": {**spec, "name": name or spec.get("name")}}
