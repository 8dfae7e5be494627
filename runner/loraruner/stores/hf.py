"""A repository of the Hugging Face hub, or of a mirror (``HF_ENDPOINT``), as a store that can only be read.

``hf://ORG/NAME[@REVISION][/PATH]`` for models, ``hf://datasets/ORG/NAME...`` for data sets. PATH may be a
folder or one file. A branch may move: name a commit as the revision to get the same bytes every time.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from loraruner.egress import Egress
from loraruner.errors import DataInvalid, EnvironmentUnfit, InputMissing, SpecInvalid
from loraruner.files import Digest
from loraruner.settings import Settings
from loraruner.stores.base import Capabilities, ObjectInfo
from loraruner.stores.http_read import HttpReader, refused
from loraruner.stores.keys import check_key

ADDRESS = re.compile(r"hf://(datasets/)?([\w.-]+/[\w.-]+)(?:@([^/@]+))?(?:/(.*))?", re.ASCII)
NEXT_PAGE = re.compile(r"<([^>]*)>;\s*rel=\"?next\"?")
SHA256 = re.compile(r"[0-9a-f]{64}")
REMEDY = "it does not exist or is not public: check the name, or set HF_TOKEN to a token that may read it"
PAGE_BYTES = 16 << 20
MAX_PAGES = 1000


@dataclass(frozen=True)
class _File:
    size_bytes: int
    etag: str
    sha256: str | None  # known for files in large-file storage


def open_store(uri: str, settings: Settings) -> "HfStore":
    """The store of an ``hf://`` address; endpoint and token are the operator's."""
    match = ADDRESS.fullmatch(uri)
    if match is None:
        raise SpecInvalid(f"{uri}: is no hub address; write hf://ORG/NAME@REVISION or hf://datasets/ORG/NAME@REVISION")
    kind, repository, revision, path = match.groups()
    revision = unquote(revision or "main")
    # Escaped or not, a server may follow ".." to another repository.
    parts = f"{repository}/{revision}".split("/")
    if not revision.isprintable() or "\\" in revision or any(part in ("", ".", "..") for part in parts):
        raise SpecInvalid(f"{uri}: names a repository or a revision that can't be one; write hf://ORG/NAME@REVISION")
    return HfStore(
        uri,
        f"{'datasets' if kind else 'models'}/{repository}",
        revision=revision,
        root=check_key((path or "").strip("/"), uri),
        settings=settings,
    )


class HfStore:
    """Files of one repository at one revision. Large files are verified by the SHA-256 that the hub lists."""

    def __init__(self, uri: str, repository: str, *, revision: str, root: str, settings: Settings) -> None:
        self.uri = uri
        self._endpoint = settings.hf_endpoint
        self._repository = repository
        self._revision = quote(revision, safe="")
        self._root = root
        rules = Egress(settings.allowed_hosts, own=(_server(self._endpoint),))
        self._reader = HttpReader(token=settings.hf_token, remedy=REMEDY, rules=rules)

    def probe(self) -> Capabilities:
        """Refused: nothing can be written here."""
        raise refused(self.uri)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``Store.list``; a repository that is not there raises InputMissing."""
        if not prefix and (found := self.head("")) is not None:
            return iter([found])
        start = f"{self._root}/" if self._root else ""
        keys = sorted(path[len(start) :] for path in self._files if path.startswith(start + prefix))
        return iter([self._info(key) for key in keys])

    def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        return self._info(key) if self._path(key) in self._files else None

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        """See ``Store.read``."""
        data, _ = self._reader.read(self._url(key), self._address(key), limit_bytes=limit_bytes)
        return data, self._files[self._path(key)].etag

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        """See ``Store.download``; a broken download is continued by the next call with the same ``path``."""
        url = self._url(key)
        kept = self._files[self._path(key)].sha256
        return self._reader.download(url, self._address(key), path, sha256=sha256, kept=kept)

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

    @cached_property
    def _files(self) -> dict[str, _File]:
        """Every file of the repository by its path: one listing serves all questions."""
        base = f"{self._endpoint}/api/{self._repository}/tree/{self._revision}"
        files: dict[str, _File] = {}
        query: str | None = "recursive=true"
        for _ in range(MAX_PAGES):
            data, headers = self._reader.read(f"{base}?{query}", self.uri, limit_bytes=PAGE_BYTES)
            files.update(_parse(data, self.uri))
            following = NEXT_PAGE.search(str(headers.get("Link", "")))
            if following is None:
                return files
            # Of the link only the query is taken: a mirror may pass on links to the server behind it.
            query = urlsplit(following.group(1)).query
        raise DataInvalid(f"{self.uri}: has more than {MAX_PAGES} pages of files; name a smaller repository")

    def _info(self, key: str) -> ObjectInfo:
        file = self._files[self._path(key)]
        return ObjectInfo(key, file.size_bytes, file.etag)

    def _path(self, key: str) -> str:
        return "/".join(part for part in (self._root, check_key(key, self.uri)) if part)

    def _address(self, key: str) -> str:
        return f"{self.uri.rstrip('/')}/{key}" if key else self.uri

    def _url(self, key: str) -> str:
        path = self._path(key)
        if path not in self._files:
            raise InputMissing(f"{self._address(key)}: there is no such file at this revision; check the address")
        repository = self._repository.removeprefix("models/")
        return f"{self._endpoint}/{repository}/resolve/{self._revision}/{quote(path)}"


def _server(endpoint: str) -> str:
    """``host:port`` of the endpoint, which the operator named and which may therefore lie in his own network."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise EnvironmentUnfit(
            f"HF_ENDPOINT: {endpoint.rpartition('@')[2]!r} is no address of a hub; set it to https://HOST, "
            "without a login"
        )
    return f"[{parts.hostname}]:{port}"


def _parse(data: bytes, uri: str) -> dict[str, _File]:
    try:
        entries = json.loads(data)
        return {check_key(str(entry["path"]), uri): _file(entry) for entry in entries if entry["type"] == "file"}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataInvalid(f"{uri}: the server's list of files is malformed ({error!r}); check HF_ENDPOINT") from error


def _file(entry: dict[str, Any]) -> _File:
    large = entry.get("lfs")
    if large is None:
        return _File(int(entry["size"]), str(entry["oid"]), None)
    digest = str(large["oid"]).removeprefix("sha256:")
    return _File(int(large["size"]), digest, digest if SHA256.fullmatch(digest) else None)
