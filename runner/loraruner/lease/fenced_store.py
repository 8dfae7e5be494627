"""A store that writes only for the owner of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loraruner.files import Digest
from loraruner.lease.keeper import Lease
from loraruner.stores.base import Capabilities, ObjectInfo, PreconditionFailed, Store


class FencedStore:
    """The same store; every method that changes something first makes sure that the lease is held.

    Raises Fenced (76) when it is not. See ``Store``.
    """

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store, self._lease = store, lease
        self.uri = store.uri

    def probe(self) -> Capabilities:
        """See ``Store.probe``."""
        self._lease.require()
        return self._store.probe()

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``Store.list``."""
        return self._store.list(prefix)

    def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        return self._store.head(key)

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        """See ``Store.read``."""
        return self._store.read(key, limit_bytes=limit_bytes)

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        """See ``Store.download``."""
        return self._store.download(key, path, sha256=sha256)

    def age_s(self, key: str) -> float | None:
        """See ``Store.age_s``."""
        return self._store.age_s(key)

    def write(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        """See ``Store.write``."""
        with self._owned():
            return self._store.write(key, data, if_absent=if_absent, if_match=if_match)

    def upload(self, path: Path, key: str, *, if_absent: bool = False, if_match: str | None = None) -> Digest:
        """See ``Store.upload``."""
        with self._owned():
            return self._store.upload(path, key, if_absent=if_absent, if_match=if_match)

    def delete(self, key: str) -> None:
        """See ``Store.delete``."""
        self._lease.require()
        self._store.delete(key)

    @contextmanager
    def _owned(self) -> Iterator[None]:
        """A condition that fails may mean that another attempt writes: then that is what ends this one."""
        self._lease.require()
        try:
            yield
        except PreconditionFailed:
            self._lease.confirm()
            raise
