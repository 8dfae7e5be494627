"""Everything that ran below an output, at once: read from the index, which every run and every event keeps up to date.

The index is only a copy. Where it is missing or damaged the store itself is read, and the index made again.
"""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from loraruner.errors import Fenced, InputMissing, LoraRunerError, Preempted, SpecInvalid
from loraruner.registry import scan, shards
from loraruner.registry.cached import read_cached
from loraruner.registry.rows import Row
from loraruner.registry.shards import COMPLETE, FOLDER, KEYS, Damaged
from loraruner.settings import Settings
from loraruner.spec import Spec
from loraruner.stores import open_store
from loraruner.stores.base import Store

_LOG = logging.getLogger(__name__)
FEW_OBJECTS = 20_000  # in an output without an index: so many are looked through at the end of a run
COMPLETE_DATA = b'{"format": 1}\n'


def read_index(uri: str, settings: Settings) -> list[Row] | None:
    """The rows of the index at an output address; None where there is none, or it is damaged."""
    with suppress(InputMissing, SpecInvalid):  # a place that is only read may not know how to look into a folder
        return read_cached(_folder(uri, settings), settings)
    return None


def scan_output(uri: str, settings: Settings) -> list[Row]:
    """The rows of all runs below an output, from the store itself; then the index is made again, where it may be."""
    store = open_store(uri, settings)
    before = _before(_folder(uri, settings))
    found = scan.survey(info.key for info in store.list())
    if not found:
        return []
    _LOG.info("%s has no whole index: every manifest is read, which may take a while", uri)
    rows = scan.read_rows(store, found)
    try:
        _write_all(uri, settings, rows, before)
    except (LoraRunerError, OSError) as error:
        _LOG.warning(
            "the index of %s was not written (%s); registry reindex by somebody who may write there", uri, error
        )
    return rows


def reindex(uri: str, settings: Settings) -> dict[str, Any]:
    """Make the index of an output again from its manifests, ends of runs and events; says what is in it.

    Runs that end meanwhile are kept. Raises what the store raises.
    """
    uri = uri.rstrip("/")
    store, before = open_store(uri, settings), _before(_folder(uri, settings))
    rows = scan.read_rows(store, scan.survey(info.key for info in store.list()))
    _write_all(uri, settings, rows, before)
    versions = sum(row["version"] is not None for row in rows)
    return {"uri": uri, "runs": len(rows), "versions": versions, "names": len({row["name"] for row in rows})}


def note_run(spec: Spec, settings: Settings, run_id: str, *, only_missing: bool = False) -> None:
    """Take a run that has ended into the index of its output. Never raises: a fault is told in a warning.

    ``only_missing``: do nothing where the index has the run already.
    """
    note_name(spec.output.uri, spec.name, settings, run_id=run_id, only_missing=only_missing)


def note_name(
    uri: str, name: str, settings: Settings, *, run_id: str | None = None, only_missing: bool = False
) -> None:
    """Take what is new below a NAME into the index: versions, ended runs, events. Never raises, only warns."""
    try:
        _note(uri.rstrip("/"), name, settings, run_id, only_missing=only_missing)
    except Exception as error:  # the index is a convenience: nothing may end badly because of it
        _LOG.warning("the index of %s was not brought up to date (%s); registry reindex does it", uri, error)


@contextmanager
def noting(spec: Spec, settings: Settings, run_id: str, *, conditional: bool = True) -> Iterator[None]:
    """Take the run into the index however it ends, unless it goes on elsewhere (76) or later (85).

    ``conditional``: whether the store replaces an object only as it was read.
    """
    if not conditional:
        _LOG.warning("the store can't replace conditionally: of runs that end at once some may miss in registry list")
    try:
        yield
    except (Fenced, Preempted):
        raise
    except Exception:  # whatever it was, the run has ended and counts
        note_run(spec, settings, run_id)
        raise
    note_run(spec, settings, run_id)


def _note(uri: str, name: str, settings: Settings, run_id: str | None, *, only_missing: bool) -> None:
    root, folder = open_store(uri, settings), _folder(uri, settings)

    def renewed(known: tuple[Row, ...] | None) -> list[Row] | None:
        own = {row["run_id"]: row for row in known or () if row["name"] == name}
        if only_missing and run_id in own and own[run_id]["version"] is not None:
            return None
        found = {name: scan.survey_name(root, name)}
        others = [row for row in known or () if row["name"] != name]
        return others + scan.read_rows(root, found, own, run_id)

    shards.change(folder, shards.key_of(name), renewed)
    if folder.head(COMPLETE) is None:
        _begin(uri, settings, root)


def _begin(uri: str, settings: Settings, root: Store) -> None:
    """Make the whole index where there is none yet and the output is small; a large one waits for ``list``."""
    before = _before(_folder(uri, settings))
    keys = [info.key for info in islice(root.list(), FEW_OBJECTS + 1)]
    if len(keys) > FEW_OBJECTS:
        _LOG.info("%s is large and has no index yet; registry reindex makes it", uri)
        return
    _write_all(uri, settings, scan.read_rows(root, scan.survey(keys)), before)


def _folder(uri: str, settings: Settings) -> Store:
    """The index's folder; the slash at its end spares the store the question whether it is an object."""
    return open_store(f"{uri.rstrip('/')}/{FOLDER}/", settings)


def _before(folder: Store) -> dict[str, tuple[Row, ...] | None]:
    """What the shards hold before the store is read; None for a damaged one."""
    there: set[str] = set()
    with suppress(InputMissing, SpecInvalid):
        there.update(info.key for info in folder.list())
    return {key: _known(folder, key) if key in there else () for key in KEYS}


def _known(folder: Store, key: str) -> tuple[Row, ...] | None:
    with suppress(Damaged):
        return shards.read(folder, key).rows
    return None


def _write_all(uri: str, settings: Settings, rows: list[Row], before: Mapping[str, tuple[Row, ...] | None]) -> None:
    """Write every shard, and last that all are there.

    A NAME whose rows changed since ``before`` was read is read again: a run has ended, or been reviewed, meanwhile.
    """
    folder, root = _folder(uri, settings), open_store(uri, settings)
    by_shard: dict[str, list[Row]] = {key: [] for key in KEYS}
    for row in rows:
        by_shard[shards.key_of(row["name"])].append(row)

    def write(key: str) -> None:
        shards.change(folder, key, lambda known: _merged(root, by_shard[key], known, before[key]))

    with ThreadPoolExecutor(scan.READERS, thread_name_prefix="index") as pool:
        list(pool.map(write, KEYS))
    folder.write(COMPLETE, COMPLETE_DATA)


def _merged(
    root: Store, scanned: list[Row], known: tuple[Row, ...] | None, before: tuple[Row, ...] | None
) -> list[Row]:
    """What was read in the store, and once more what has changed in the shard since ``before``."""
    if known is None or known == before:
        return scanned
    past = {row["run_id"]: row for row in before or ()}
    changed = {row["name"] for row in known if past.get(row["run_id"]) != row}
    again = scan.read_rows(root, {name: scan.survey_name(root, name) for name in sorted(changed)})
    return [row for row in scanned if row["name"] not in changed] + again
