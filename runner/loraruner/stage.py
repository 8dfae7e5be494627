"""Bring the inputs of a job to this machine: listed, fingerprinted, fetched side by side, verified, cached."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from loraruner import seals
from loraruner.data.archives import SUFFIXES, data_root, is_archive, unpack
from loraruner.data.gathered import gather, is_packed, left_packed
from loraruner.errors import DataInvalid, InputMissing, LoraRunerError
from loraruner.files import MAX_NAME_BYTES, Digest, digest_file, require_free
from loraruner.settings import Settings
from loraruner.spec import Spec
from loraruner.stores import open_store, scheme_of
from loraruner.stores.base import ObjectInfo
from loraruner.stores.keys import require_distinct
from loraruner.stores.local import LocalStore
from loraruner.workspace import MANIFEST

_LOG = logging.getLogger(__name__)
FETCH_WORKERS = 4
ARCHIVE_GROWTH = 3  # disk reserved for an archive and its content, in archive sizes
Result = TypeVar("Result")


@dataclass(frozen=True)
class Input:
    """One input as the store lists it. A single object has the key ``""``."""

    pointer: str
    uri: str
    objects: tuple[ObjectInfo, ...]
    local: Path | None = None  # where it lies already, when it is on this machine

    @property
    def fingerprint(self) -> str:
        """Hex digest over keys, sizes and ETags (local files: SHA-256 of the content in place of the ETag)."""
        lines = (f"{info.key}\0{info.size_bytes}\0{info.etag}\n" for info in self.objects)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """All objects together."""
        return sum(info.size_bytes for info in self.objects)


@dataclass(frozen=True)
class Fetched:
    """A local copy: a folder or file, and the SHA-256 of the file, or of ``path NUL sha256`` lines for a folder."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Staged:
    """All inputs of a job on this machine."""

    base: Fetched
    data: Fetched
    evaluation: Fetched | None
    general: Fetched | None
    captioner: Fetched | None = None


def list_inputs(spec: Spec, settings: Settings) -> dict[str, Input]:
    """What each input URI holds now; raises what ``list_input`` does."""
    uris = {"$.model.base": spec.model.base, "$.data.uri": spec.data.uri}
    optional = {
        "$.data.caption.model": spec.data.caption and spec.data.caption.model,
        "$.evaluation.uri": spec.evaluation.uri,
        "$.evaluation.general_uri": spec.evaluation.general_uri,
    }
    uris.update({pointer: uri for pointer, uri in optional.items() if uri})
    return {pointer: list_input(pointer, uri, settings) for pointer, uri in uris.items()}


def list_input(pointer: str, uri: str, settings: Settings) -> Input:
    """List one input; local files are hashed, with digests cached by size and modification time.

    Raises InputMissing (66), DataInvalid (65) for an empty folder, NoPermission (77) or TemporaryFailure (75).
    """
    try:
        store = open_store(uri, settings)
        objects = tuple(store.list())
    except LoraRunerError as error:
        raise type(error)(f"{pointer}: {error}") from error
    if not objects and isinstance(store, LocalStore) and store.root.is_dir():
        raise DataInvalid(f"{pointer}: the folder {uri} is empty; put the files there or correct the address")
    if not objects:
        looked = f" ({store.root})" if isinstance(store, LocalStore) and str(store.root) != uri else ""
        raise InputMissing(f"{pointer}: {uri}{looked} does not exist or is empty; check the address")
    if isinstance(store, LocalStore):
        return Input(pointer, uri, tuple(_with_digests(store.root, objects, settings.cache)), store.root)
    require_distinct([info.key for info in objects], f"{pointer}: {uri}")
    return Input(pointer, uri, objects)


def _with_digests(root: Path, objects: Iterable[ObjectInfo], cache: Path) -> Iterable[ObjectInfo]:
    """Local objects with the SHA-256 of their content as ETag."""
    book = cache / "digests" / f"{hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:32]}.sealed"
    known: dict[str, list[str | int]] = seals.read_json(book) or {}
    fresh: dict[str, list[str | int]] = {}
    for info in objects:
        path = root / info.key if info.key else root
        stamp: list[str | int] = [info.size_bytes, path.stat().st_mtime_ns]
        entry = known.get(info.key, [])
        fresh[info.key] = entry if entry[:2] == stamp else [*stamp, digest_file(path).sha256]
        yield ObjectInfo(info.key, info.size_bytes, str(fresh[info.key][2]))
    if fresh != known:
        seals.write_json(book, fresh)


def require_checkpoint(spec: Spec, settings: Settings) -> None:
    """Raise InputMissing (66) when ``checkpoint.resume`` names a place without a checkpoint."""
    uri = spec.checkpoint.resume
    if uri not in ("auto", "never") and open_store(uri, settings).head(MANIFEST) is None:
        raise InputMissing(
            f"$.checkpoint.resume: {uri} is no checkpoint, it has no {MANIFEST}; name a folder such as "
            "OUTPUT/NAME/runs/RUN_ID/checkpoints/e0001-step-000100"
        )


def fetch(spec: Spec, inputs: dict[str, Input], settings: Settings) -> Staged:
    """Fetch all inputs side by side and check them against ``sha256`` in the job.

    Raises EnvironmentUnfit (78) before the first byte when the disk is too small, DataInvalid (65) for another digest
    than the job's, IntegrityError (74) when bytes stay wrong.
    """
    needed = sum(_missing_bytes(each, settings.cache) for each in inputs.values())
    require_free(settings.cache, needed, "the inputs")
    fetched = in_parallel({key: _fetcher(each, settings) for key, each in inputs.items()})
    _require_digest("$.model.sha256", spec.model.sha256, fetched["$.model.base"], spec.model.base)
    _require_digest("$.data.sha256", spec.data.sha256, fetched["$.data.uri"], spec.data.uri)
    if caption := spec.data.caption:
        _require_digest("$.data.caption.sha256", caption.sha256, fetched["$.data.caption.model"], caption.model)
    opened = {key: _opened(each, inputs[key].uri, settings.cache) for key, each in fetched.items()}
    return Staged(
        base=opened["$.model.base"],
        data=opened["$.data.uri"],
        evaluation=opened.get("$.evaluation.uri"),
        general=opened.get("$.evaluation.general_uri"),
        captioner=opened.get("$.data.caption.model"),
    )


def fetch_one(each: Input, settings: Settings) -> Fetched:
    """Fetch one input alone; an archive is opened."""
    require_free(settings.cache, _missing_bytes(each, settings.cache), each.uri)
    return _opened(_fetcher(each, settings)(), each.uri, settings.cache)


def in_parallel(work: dict[str, Callable[[], Result]]) -> dict[str, Result]:
    """Run all, return all results; the first error is raised at once and what has not begun is dropped."""
    pool = ThreadPoolExecutor(FETCH_WORKERS, thread_name_prefix="fetch")
    try:
        futures = {key: pool.submit(copy_context().run, call) for key, call in work.items()}
        for done in as_completed(futures.values()):
            done.result()
        return {key: future.result() for key, future in futures.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def tree_digest(digests: dict[str, Digest]) -> str:
    """SHA-256 over sorted ``path NUL sha256`` lines; of a single file (key ``""``) its own SHA-256."""
    if digests.keys() == {""}:
        return digests[""].sha256
    lines = (f"{key}\0{digest.sha256}\n" for key, digest in sorted(digests.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _fetcher(each: Input, settings: Settings) -> Callable[[], Fetched]:
    if path := each.local:
        digests = {info.key: Digest(info.size_bytes, info.etag) for info in each.objects}
        return lambda: Fetched(path, tree_digest(digests))
    return lambda: _fetch_remote(each, settings)


def _folder(each: Input, cache: Path) -> Path:
    return cache / "inputs" / each.fingerprint[:32]


def _target(each: Input, info: ObjectInfo, cache: Path) -> Path:
    """Where an object lies; a single object keeps its file name, because its ending says what it is."""
    return _folder(each, cache) / "content" / (info.key or _file_name(each.uri))


def _file_name(uri: str) -> str:
    """The last part of an address as the name of a file: the end of a long one; none that leads out of its folder."""
    name = uri.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
    kept = name.encode(errors="ignore")[-MAX_NAME_BYTES:].decode(errors="ignore")
    return "object" if kept in ("", ".", "..") else kept


def _missing_bytes(each: Input, cache: Path) -> int:
    """What is still to come; nothing for an input that lies on this machine."""
    if each.local:
        return 0
    missing = [i for i in each.objects if not _target(each, i, cache).exists()]
    return sum(i.size_bytes * (ARCHIVE_GROWTH if _is_opened(each, i) else 1) for i in missing)


def _is_opened(each: Input, info: ObjectInfo) -> bool:
    """Whether an object will be unpacked, as far as its name tells."""
    if scheme_of(each.uri) == "clickup":
        return info.key.lower().endswith(SUFFIXES)
    return len(each.objects) == 1 and each.uri.lower().endswith((*SUFFIXES, ".gz"))


def _fetch_remote(each: Input, settings: Settings) -> Fetched:
    """Fetch what is not there, verify what is; the marker that lists all digests is written last."""
    marker, notes = (_folder(each, settings.cache) / name for name in ("complete.sealed", "fetched.jsonl"))
    known: dict[str, str] = seals.read_json(marker) or seals.read_notes(notes)
    store = open_store(each.uri, settings)

    def one(info: ObjectInfo) -> Digest:
        path, wanted = _target(each, info, settings.cache), known.get(info.key)
        digest = digest_file(path) if path.exists() else None
        if digest and digest.sha256 == wanted:
            return digest
        if digest or wanted:
            why = "is missing" if not digest else "is damaged" if wanted else "has no digest to be verified by"
            _LOG.warning("%s: the cached %s %s and is fetched again", each.pointer, info.key or each.uri, why)
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = store.download(info.key, path, sha256=wanted)
        seals.add_note(notes, info.key, digest.sha256)
        return digest

    digests = in_parallel({info.key: partial(one, info) for info in each.objects})
    seals.write_json(marker, {key: digest.sha256 for key, digest in digests.items()})
    _LOG.info("%s: %d objects, %d bytes at hand", each.pointer, len(digests), each.size_bytes)
    single = each.objects[0] if digests.keys() == {""} else None
    path = _target(each, single, settings.cache) if single else _folder(each, settings.cache) / "content"
    return Fetched(path, tree_digest(digests))


def _require_digest(pointer: str, wanted: str | None, found: Fetched, uri: str) -> None:
    if wanted and wanted != found.sha256:
        raise DataInvalid(
            f"{pointer}: {uri} has the SHA-256 {found.sha256}, the job asks for {wanted}; "
            "restore the input or correct the digest"
        )


def _opened(fetched: Fetched, uri: str, cache: Path) -> Fetched:
    """An archive's content in place of the archive; of a ClickUp task that of all its archives, and its loose files.

    The digest stays that of what was fetched.
    """
    if scheme_of(uri) == "clickup":
        with addresses_named(fetched.path, uri):
            return _gathered(fetched, uri, cache)
    if not (fetched.path.is_file() and is_archive(fetched.path)):
        return fetched
    folder = cache / "unpacked" / fetched.sha256[:32]
    with seals.one_maker(folder):
        if not seals.folder_whole(folder):  # another run may be reading it: what is whole stays as it is
            unpack(fetched.path, folder)
            seals.seal_folder(folder)
    return Fetched(data_root(folder), fetched.sha256)


def _gathered(fetched: Fetched, uri: str, cache: Path) -> Fetched:
    found = _together(fetched, cache)
    if told := left_packed(found.path):
        _LOG.warning("%s: not opened: %s; pack the files themselves into one .zip and attach that", uri, told)
    return found


@contextmanager
def addresses_named(path: Path, uri: str) -> Iterator[None]:
    """Errors name the address that people know, not the place in the cache where its content lies."""
    try:
        yield
    except LoraRunerError as error:
        if scheme_of(uri) == "file" or str(path) not in str(error):
            raise
        raise type(error)(str(error).replace(str(path), uri.rstrip("/"))) from error


def _together(fetched: Fetched, cache: Path) -> Fetched:
    sources = {path.name: path for path in fetched.path.iterdir()}
    if not any(map(is_packed, sources.values())):
        return fetched
    folder = cache / "gathered" / fetched.sha256[:32]
    with seals.one_maker(folder):
        if not seals.folder_whole(folder):
            gather(sources, folder)
            seals.seal_folder(folder)
    return Fetched(folder, fetched.sha256)
