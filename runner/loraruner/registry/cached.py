"""Shards of an index that this machine has read before, by their ETags: the second list reads what is new alone."""

import hashlib
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from loraruner.errors import LoraRunerError
from loraruner.files import temporary_beside
from loraruner.registry import shards
from loraruner.registry.rows import KINDS, Row
from loraruner.registry.shards import COMPLETE, KEYS, Damaged
from loraruner.settings import Settings
from loraruner.stores.base import Store

_LOG = logging.getLogger(__name__)
FORMAT = [1, *KINDS]  # rows of another release have other columns
READERS = 16
MAX_CACHE_BYTES = 1 << 30
Cache = dict[str, dict[str, Any]]  # {"etag": ..., "rows": [...]} by shard


def read_cached(folder: Store, settings: Settings) -> list[Row] | None:
    """The rows of the index in ``folder``; None where it is not whole, or damaged, which is told in a warning."""
    etags = {info.key: info.etag for info in folder.list()}
    if COMPLETE not in etags or not set(KEYS) <= etags.keys():
        return None
    path = settings.cache / "registry" / f"{hashlib.sha256(folder.uri.encode()).hexdigest()[:32]}.json"
    known = _load(path)
    old = {key: each for key, each in known.items() if key in KEYS and each["etag"] == etags[key]}
    missing = [key for key in KEYS if key not in old]
    try:
        with ThreadPoolExecutor(READERS, thread_name_prefix="shard") as pool:
            read = list(pool.map(lambda key: shards.read(folder, key), missing))
    except Damaged as error:
        _LOG.warning("the index in %s is damaged (%s); every manifest is read", folder.uri, error)
        return None
    new: Cache = {key: {"etag": shard.etag, "rows": shard.rows} for key, shard in zip(missing, read, strict=True)}
    if new:
        _keep(path, {**old, **new})
    return [row for key in KEYS for row in (new.get(key) or old[key])["rows"]]


def _load(path: Path) -> Cache:
    """What was kept, nothing where that is not ours or torn."""
    try:
        if path.stat().st_size > MAX_CACHE_BYTES:
            return {}
        document = json.loads(path.read_bytes())
        kept = document["shards"] if document["format"] == FORMAT else {}
        return {key: {"etag": str(each["etag"]), "rows": list(each["rows"])} for key, each in kept.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _keep(path: Path, cache: Cache) -> None:
    """Written beside and renamed; what gets lost with the machine is read again."""
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(json.dumps({"format": FORMAT, "shards": cache}, separators=(",", ":")).encode())
        os.replace(temporary, path)
    except (OSError, LoraRunerError) as error:
        _LOG.debug("the index is not kept on this machine: %s", error)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
