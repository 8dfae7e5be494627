"""A small publication through a store that fails: files first, manifest last; what a reader may then see.

One round is one version: a writer uploads two files, creates the manifest if it is absent, and moves
``latest.json`` if nobody else did; a reader starts from manifests and verifies digests. Afterwards the store is
looked at directly: every manifest that is there must be one that was written, with all of its files as told.
"""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

from loraruner.errors import ExitCode, InputMissing, IntegrityError, LoraRunerError, Preempted
from loraruner.files import Digest, digest_file
from loraruner.stores.base import PreconditionFailed, Store

Result = TypeVar("Result")

SMALL_BYTES = 64 << 10
LARGE_BYTES = (5 << 20) + 12_345  # two parts of an upload


class _GivenUp(Exception):
    """A process that met this would end here, with the exit code that was counted."""


@dataclass
class Tally:
    """What came of a trial's operations. ``wrong`` is what must never happen, in words."""

    num_operations: int = 0
    num_right: int = 0
    refused: Counter[int] = field(default_factory=Counter)  # by exit code
    wrong: list[str] = field(default_factory=list)


class Exchange:
    """``failing`` and ``direct`` are the same folder, by way of the faults and past them.

    Where ``etags_lie``, a writer that follows one is rightly refused: it would end as one that was fenced.
    """

    def __init__(
        self, failing: Store, direct: Store, folder: Path, *, name: str, content: bytes, etags_lie: bool = False
    ) -> None:
        self._failing, self._direct, self._folder = failing, direct, folder
        self._name, self._content, self._etags_lie = name, content, etags_lie
        self._written: dict[str, bytes] = {}  # manifest key -> bytes that a writer tried to create
        self._told: set[str] = set()  # keys of manifests of which a writer was told success
        self._judged: set[str] = set()
        self.tally = Tally()

    def round(self, number: int) -> None:
        """Publish version ``number``, read as a user would, and look at what is there."""
        with suppress(_GivenUp):
            self._publish(number)
        verified = set[str]()
        with suppress(_GivenUp):
            verified = self._read()
        self._judge(verified)

    def _do(self, operation: Callable[[], Result]) -> Result:
        """One operation through the faults; counts what came of it."""
        self.tally.num_operations += 1
        try:
            result = operation()
        except Preempted:
            raise
        except LoraRunerError as error:
            self.tally.refused[int(error.code)] += 1
            raise _GivenUp from error
        except PreconditionFailed as error:
            if self._etags_lie:
                self.tally.refused[int(ExitCode.FENCED)] += 1
            else:
                self.tally.wrong.append(f"a write without a rival was told that it lost: {error}")
            raise _GivenUp from error
        self.tally.num_right += 1
        return result

    def _publish(self, number: int) -> None:
        store, files = self._failing, {}
        for name, size_bytes in (("large", LARGE_BYTES), ("small", SMALL_BYTES)):
            path, key = self._folder / name, f"{self._name}/versions/{number}/{name}"
            path.write_bytes(f"{self._name} {number} {name}".encode().ljust(64) + self._content[: size_bytes - 64])
            self._do(partial(store.upload, path, key))
            files[name] = asdict(digest_file(path))
        key, manifest = self._manifest_key(number), json.dumps({"files": files}).encode()
        self._written[key] = manifest
        self._do(lambda: store.write(key, manifest, if_absent=True))
        self._told.add(key)
        latest = f"{self._name}/latest.json"
        found = self._do(lambda: store.head(latest))
        condition = {"if_absent": True} if found is None else {"if_match": found.etag}
        self._do(lambda: store.write(latest, json.dumps({"version": number}).encode(), **condition))
        if self._direct.read(latest)[0] != json.dumps({"version": number}).encode():
            self.tally.wrong.append(f"{latest} was not moved to {number}, though the writer was told so")

    def _read(self) -> set[str]:
        """Verify the newest version that a LIST shows; the keys of the manifests that were verified."""
        store = self._failing
        listed = self._do(lambda: list(store.list(f"{self._name}/versions/")))
        keys = [info.key for info in listed if info.key.endswith("/manifest.json")]
        if not keys:
            return set()
        key = max(keys, key=lambda each: int(each.split("/")[-2]))
        manifest = self._do(lambda: store.read(key))[0]
        if manifest != self._written.get(key):
            self.tally.wrong.append(f"{key}: a reader got other bytes than were written")
            raise _GivenUp
        for name, digest in json.loads(manifest)["files"].items():
            self._fetch(store, f"{key.rpartition('/')[0]}/{name}", Digest(**digest))
        return {key}

    def _fetch(self, store: Store, key: str, expected: Digest) -> None:
        target = self._folder / "fetched"
        target.unlink(missing_ok=True)
        try:
            self._do(lambda: store.download(key, target, sha256=expected.sha256))
            if digest_file(target) != expected:
                self.tally.wrong.append(f"{key}: a download succeeded with other bytes")
        except _GivenUp:
            if target.exists():
                self.tally.wrong.append(f"{key}: a download failed and left a file that looks whole")
            raise

    def _judge(self, verified: set[str]) -> None:
        """Look at the store directly: no partial version, nothing lost of which a writer was told success."""
        listed = {info.key for info in self._direct.list(f"{self._name}/versions/")}
        manifests = {key for key in listed if key.endswith("/manifest.json")}
        self.tally.wrong += [f"{key} is gone, though its writer was told success" for key in self._told - manifests]
        for key in sorted(manifests - verified - self._judged):
            self._judge_version(key)
        self._judged |= manifests

    def _judge_version(self, key: str) -> None:
        manifest = self._direct.read(key)[0]
        if manifest != self._written.get(key):
            self.tally.wrong.append(f"{key} holds other bytes than were written")
            return
        version, target = key.rpartition("/")[0], self._folder / "judged"
        for name, digest in json.loads(manifest)["files"].items():
            try:
                self._direct.download(f"{version}/{name}", target, sha256=digest["sha256"])
            except (InputMissing, IntegrityError) as error:
                self.tally.wrong.append(f"{key} is visible, and {name} is not what it tells: {error}")

    def clear(self) -> None:
        """Remove what the rounds left."""
        for info in self._direct.list(f"{self._name}/"):
            self._direct.delete(info.key)

    def _manifest_key(self, number: int) -> str:
        return f"{self._name}/versions/{number}/manifest.json"


def content(seed: int) -> bytes:
    """Random bytes, enough for the largest file."""
    return Random(seed).randbytes(LARGE_BYTES)
