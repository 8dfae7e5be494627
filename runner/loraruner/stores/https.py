"""One file on a web server as a store that can only be read; its key is ""."""

from collections.abc import Iterator
from pathlib import Path
from string import punctuation
from urllib.parse import quote, unquote, urlsplit

from loraruner.egress import Egress
from loraruner.errors import InputMissing, SpecInvalid
from loraruner.files import Digest
from loraruner.settings import Settings
from loraruner.stores.base import Capabilities, ObjectInfo
from loraruner.stores.http_read import HttpReader, refused
from loraruner.stores.keys import join, shown

REMEDY = "the address must be readable without a login"


def open_store(uri: str, settings: Settings) -> "HttpsStore":
    """The store of one ``https://`` address."""
    if " " in uri or not uri.isprintable():
        raise SpecInvalid(
            f"{shown(uri)}: holds a space or what can't be seen; write a space as %20, and leave out the rest"
        )
    parts = urlsplit(uri)
    try:
        named = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise SpecInvalid(f"{shown(uri)}: {error}; write https://HOST:PORT/FILE") from error
    if not named:
        raise SpecInvalid(f"{shown(uri)}: has no host name; write https://HOST/FILE")
    if parts.username or parts.password:
        raise SpecInvalid(f"{shown(uri)}: a login does not belong into an address; use an address without one")
    if not unquote(parts.netloc).isascii():
        raise SpecInvalid(f"{shown(uri)}: has letters in the host that DNS does not know; write the host as xn--...")
    return HttpsStore(uri, Egress(settings.allowed_hosts))


class HttpsStore:
    """Reads one address. The query (it may be a signature) is sent, never shown."""

    def __init__(self, uri: str, rules: Egress) -> None:
        self.uri = uri
        self._url = quote(uri, safe=punctuation)  # what is escaped already stays
        self._reader = HttpReader(remedy=REMEDY, rules=rules)

    def probe(self) -> Capabilities:
        """Refused: nothing can be written here."""
        raise refused(self.uri)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``Store.list``; the file itself with the key "", or nothing."""
        found = None if prefix else self.head("")
        return iter([] if found is None else [found])

    def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``; the size is 0 when the server does not tell it."""
        if key:
            return None
        try:
            remote = self._reader.find(self._url, shown(self.uri))
        except InputMissing:
            return None
        return ObjectInfo("", remote.size_bytes or 0, remote.etag or f"size-{remote.size_bytes}")

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        """See ``Store.read``."""
        self._require_root(key)
        data, headers = self._reader.read(self._url, shown(self.uri), limit_bytes=limit_bytes)
        return data, str(headers.get("ETag") or headers.get("Last-Modified") or f"size-{len(data)}")

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        """See ``Store.download``; a broken download is continued by the next call with the same ``path``."""
        self._require_root(key)
        return self._reader.download(self._url, shown(self.uri), path, sha256=sha256)

    def write(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        """Refused: this store can only be read."""
        raise refused(self.uri)

    def upload(self, path: Path, key: str, *, if_absent: bool = False, if_match: str | None = None) -> Digest:
        """Refused: this store can only be read."""
        raise refused(self.uri)

    def age_s(self, key: str) -> float | None:
        """See ``Store.age_s``; unknown here."""
        return None

    def delete(self, key: str) -> None:
        """Refused: this store can only be read."""
        raise refused(self.uri)

    def _require_root(self, key: str) -> None:
        if key:
            raise InputMissing(f"{join(self.uri, key)}: an https address names one file; name that file itself")
