"""A store on the disk that writes down what is asked of it, and fails where a test wants it to."""

from collections.abc import Iterator
from pathlib import Path

from loraruner import settings
from loraruner.files import Digest
from loraruner.stores import open_store
from loraruner.stores.base import Capabilities, ObjectInfo


class RecordingStore:
    """Every call is a line ``verb key`` in ``calls``; a call whose line is in ``faults`` raises the error there."""

    def __init__(self, folder: Path) -> None:
        self._store = open_store(str(folder), settings.load({"HOME": str(folder)}))
        self.uri = self._store.uri
        self.calls: list[str] = []
        self.faults: dict[str, Exception] = {}

    def _note(self, verb: str, key: str) -> None:
        self.calls.append(f"{verb} {key}")
        if fault := self.faults.get(self.calls[-1]):
            raise fault

    def probe(self) -> Capabilities:
        return self._store.probe()

    def done(self, verb: str) -> list[str]:
        """Keys of one verb, in order."""
        return [line.removeprefix(f"{verb} ") for line in self.calls if line.startswith(f"{verb} ")]

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._note("list", prefix)
        return self._store.list(prefix)

    def head(self, key: str) -> ObjectInfo | None:
        self._note("head", key)
        return self._store.head(key)

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        self._note("read", key)
        return self._store.read(key, limit_bytes=limit_bytes)

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        self._note("download", key)
        return self._store.download(key, path, sha256=sha256)

    def write(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        self._note("write", key)
        return self._store.write(key, data, if_absent=if_absent, if_match=if_match)

    def upload(self, path: Path, key: str, *, if_absent: bool = False, if_match: str | None = None) -> Digest:
        self._note("upload", key)
        return self._store.upload(path, key, if_absent=if_absent, if_match=if_match)

    def age_s(self, key: str) -> float | None:
        self._note("age", key)
        return self._store.age_s(key)

    def delete(self, key: str) -> None:
        self._note("delete", key)
        self._store.delete(key)
