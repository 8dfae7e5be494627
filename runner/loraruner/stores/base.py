"""What a store can do: list, read, write conditionally. Keys are relative to the store's root URI."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loraruner.files import Digest


class PreconditionFailed(Exception):
    """A conditional write met another state: the object exists, or its ETag is another one.

    Not a LoraRunerError: the caller decides what a lost race means.
    """


@dataclass(frozen=True)
class ObjectInfo:
    """One object below the store's root. ``etag`` changes whenever the content does."""

    key: str
    size_bytes: int
    etag: str


@dataclass(frozen=True)
class Capabilities:
    """What the start-up probe found that an endpoint really does."""

    create_exclusive: bool
    """If-None-Match: * is honoured: of two creators one loses."""
    replace_if_match: bool
    """If-Match: a replacement of a changed object is refused."""
    checksum_mode: str
    """``when_supported`` | ``when_required`` (S3), ``none`` elsewhere: how uploads carry checksums."""


class Store(Protocol):
    """A place for objects. Every method raises the errors of ``loraruner.errors``:

    InputMissing (66) for a bucket that is not there, NoPermission (77) for 401/403, TemporaryFailure (75)
    when retries are used up, IntegrityError (74) when bytes stay wrong.
    """

    uri: str

    def probe(self) -> Capabilities:
        """Write, read back and delete a small object to learn what the endpoint supports."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose key starts with ``prefix``, sorted by key; none is an empty iterator."""
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """The object, or None when the store proves that it is not there (404, never 403)."""
        ...

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        """A small object's content and ETag; raises InputMissing when absent, DataInvalid above the limit."""
        ...

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        """Fetch one object to ``path`` (beside, then renamed), hashed while streaming.

        With ``sha256`` given, other bytes are fetched again and at last raise IntegrityError.
        """
        ...

    def write(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        """Write a small object and return its ETag; raises PreconditionFailed when the condition does not hold."""
        ...

    def upload(self, path: Path, key: str, *, if_absent: bool = False, if_match: str | None = None) -> Digest:
        """Write one file (multipart when large) and return the digest of the bytes that were sent.

        Raises PreconditionFailed when the condition does not hold; nothing is written then.
        """
        ...

    def age_s(self, key: str) -> float | None:
        """Seconds since the object was written, by the store's own clock; None where the store does not tell.

        Raises InputMissing when it is absent. Stores tell whole seconds, so that it may be off by one.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove one object; an absent one is no error."""
        ...
