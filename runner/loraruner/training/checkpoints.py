"""Checkpoints on disk and in the store: files first, ``manifest.json`` last, digests checked on the way back."""

import json
import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from loraruner.errors import InputMissing, IntegrityError, LoraRunerError
from loraruner.files import digest_file, replacing
from loraruner.stores.base import Store
from loraruner.training.state import Place, Snapshot
from loraruner.workspace import MANIFEST

_LOG = logging.getLogger(__name__)
NAME = re.compile(r"e(\d{4,})(?:-[0-9a-f]{16})?(?:-r(\d{2,}))?-step-(\d{6,})")
FILES = ("adapter.safetensors", "optimizer.safetensors", "state.json")


@dataclass(frozen=True)
class Shelf:
    """Where a run's checkpoints are: a local folder and a prefix in the store.

    ``epoch`` is this attempt's; ``mark`` keeps its names apart where the lease cannot (``lease.keeper.Claim``).
    """

    local: Path
    store: Store
    prefix: str
    epoch: int
    keep: int
    mark: str = ""

    def commit(self, snapshot: Snapshot) -> None:
        """Write locally, upload, then retire old ones: nothing old goes before the new one is durable."""
        name = self._name(snapshot)
        write_checkpoint(self.local / name, snapshot)
        for file in (*FILES, MANIFEST):
            self.store.upload(self.local / name / file, f"{self.prefix}{name}/{file}")
        _LOG.info("checkpoint committed: %s", name)
        self._retire(snapshot.needed)

    def _name(self, snapshot: Snapshot) -> str:
        """Roll-backs are told from the first on: steps that are done again leave names of their own."""
        rollbacks, step = snapshot.place
        return f"e{self.epoch:04d}{self.mark}{f'-r{rollbacks:02d}' if rollbacks else ''}-step-{step:06d}"

    def newest(self) -> Snapshot | None:
        """The checkpoint with the highest (epoch, roll-backs, step) whose digests verify; None when there is none.

        Raises IntegrityError (74) when there are some and none verifies; nothing is deleted then.
        """
        local, remote = self._local_names(), self._remote_names()
        names = local | remote
        if found := self._first_good(names, local, remote):
            _LOG.info("newest good checkpoint: %s", found[0])
            return found[1]
        if names:
            raise IntegrityError(
                f"none of the {len(names)} checkpoints under {self.store.uri}/{self.prefix} verifies; nothing was "
                "deleted; restore them, or start anew with --fresh"
            )
        return None

    def at(self, place: Place) -> Snapshot | None:
        """A checkpoint of that place, of whichever attempt: all have the same bits. None when none verifies."""
        local, remote = self._local_names(), self._remote_names()
        found = self._first_good({name for name in local | remote if rank(name)[1:] == place}, local, remote)
        return found[1] if found else None

    def _first_good(self, names: set[str], local: set[str], remote: set[str]) -> tuple[str, Snapshot] | None:
        """The highest of ``names`` that verifies, here or in the store."""
        for name in sorted(names, key=rank, reverse=True):
            for here in (True, False):
                if name in (local if here else remote) and (snapshot := self._read(name, fetch=not here)):
                    return name, snapshot
        return None

    def _read(self, name: str, *, fetch: bool) -> Snapshot | None:
        """The local copy, or a fresh one from the store; None when it is damaged, which is reported."""
        try:
            if fetch:
                self._fetch(name)
            return read_checkpoint(self.local / name)
        except IntegrityError as error:
            place = self.store.uri if fetch else self.local
            _LOG.error("checkpoint %s in %s is damaged, trying the next: %s", name, place, error)
            return None

    def _remote_names(self) -> set[str]:
        keys = (info.key.removeprefix(self.prefix) for info in self.store.list(self.prefix))
        found = (key.split("/") for key in keys if key.endswith(f"/{MANIFEST}"))
        return {parts[0] for parts in found if len(parts) == 2 and NAME.fullmatch(parts[0])}

    def _local_names(self) -> set[str]:
        return {path.parent.name for path in self.local.glob(f"*/{MANIFEST}") if NAME.fullmatch(path.parent.name)}

    def _fetch(self, name: str) -> None:
        with replacing(self.local / name) as temporary:
            temporary.mkdir()
            for file in (*FILES, MANIFEST):
                try:
                    self.store.download(f"{self.prefix}{name}/{file}", temporary / file)
                except InputMissing as error:
                    raise IntegrityError(f"{file} is missing") from error

    def _retire(self, needed: set[Place]) -> None:
        """Keep the newest ``keep`` and what is ``needed``; of an old one the manifest goes first."""
        for name in self._retired(self._remote_names(), needed):
            for file in (MANIFEST, *FILES):
                self.store.delete(f"{self.prefix}{name}/{file}")
        own = {name for name in self._local_names() if rank(name)[0] == self.epoch}  # others may be at work
        for name in self._retired(own, needed):
            (self.local / name / MANIFEST).unlink()
            shutil.rmtree(self.local / name)

    def _retired(self, names: set[str], needed: set[Place]) -> list[str]:
        """Those that go. Of several attempts' checkpoints of one place the newest is enough."""
        ranked = sorted(names, key=rank)
        held = {rank(name)[1:]: name for name in ranked if rank(name)[1:] in needed}
        return [name for name in reversed(ranked[: -self.keep]) if name not in held.values()]


def rank(name: str) -> tuple[int, int, int]:
    """Epoch, roll-backs and step: of two checkpoints the later one on the run's way ranks higher."""
    epoch, rollbacks, step = NAME.fullmatch(name).groups()  # type: ignore[union-attr]  # only matching names come here
    return int(epoch), int(rollbacks or 0), int(step)


def write_checkpoint(folder: Path, snapshot: Snapshot) -> None:
    """Write one checkpoint folder beside and rename it; its manifest lists every file's size and SHA-256."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        save_file(snapshot.adapter, temporary / FILES[0])
        save_file(snapshot.optimizer, temporary / FILES[1])
        (temporary / FILES[2]).write_text(json.dumps(snapshot.state))
        digests = {name: digest_file(temporary / name) for name in FILES}
        files = [{"name": name, "size": d.size_bytes, "sha256": d.sha256} for name, d in digests.items()]
        (temporary / MANIFEST).write_text(json.dumps({"step": snapshot.step, "files": files}, indent=1))


def read_checkpoint(folder: Path) -> Snapshot:
    """Verify every digest, then load; raises IntegrityError naming what is wrong."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        entries = {entry["name"]: entry for entry in manifest["files"]}
        for name in FILES:
            found = digest_file(folder / name)
            if (found.size_bytes, found.sha256) != (entries[name]["size"], entries[name]["sha256"]):
                raise IntegrityError(f"{folder.name}/{name}: content differs from its digest")
        return Snapshot(
            step=manifest["step"],
            adapter=load_file(folder / FILES[0]),
            optimizer=load_file(folder / FILES[1]),
            state=json.loads((folder / FILES[2]).read_text()),
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise IntegrityError(f"{folder.name}: unreadable checkpoint ({error})") from error


def fetch_foreign(store: Store, folder: Path) -> Snapshot:
    """A checkpoint named by URI in ``checkpoint.resume``: fetched whole, verified, loaded.

    Raises InputMissing (66) or IntegrityError (74).
    """
    with replacing(folder) as temporary:
        temporary.mkdir()
        for file in (MANIFEST, *FILES):
            store.download(file, temporary / file)
    try:
        return read_checkpoint(folder)
    except LoraRunerError as error:
        raise IntegrityError(f"$.checkpoint.resume: {store.uri}: {error}") from error
