"""The attachments of a ClickUp task as a store that can only be read: ``clickup://TASK``.

Keys are the titles, made safe as names of files; where several attachments have one title, each carries its id. What
loraruner attached itself is left out. The token goes to the API alone, never to the servers that hold the files.
"""

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from string import punctuation
from urllib.parse import quote, unquote, urlsplit

from loraruner.clients.clickup import API, OWN_PREFIX, open_client
from loraruner.clients.clickup_records import Attachment
from loraruner.egress import Egress
from loraruner.errors import InputMissing, NoPermission, SpecInvalid
from loraruner.files import Digest
from loraruner.settings import Settings
from loraruner.spec.addresses import CLICKUP_TASK
from loraruner.stores.base import Capabilities, ObjectInfo
from loraruner.stores.http_read import HttpReader, refused

_LOG = logging.getLogger(__name__)
REMEDY = "the file's server gives it to nobody without a login: attach it to the task again"
MAX_NAME_BYTES = 150
ODD = re.compile(r"[/\\:*?\"<>|]")


def open_store(uri: str, settings: Settings) -> "ClickUpStore":
    """The store of one task. Asks nobody; raises what ``open_client`` does without a token."""
    match = CLICKUP_TASK.fullmatch(uri)
    if match is None:
        raise SpecInvalid(f"{uri[:200]!r}: is no ClickUp task; write clickup://TASK_ID")
    return ClickUpStore(uri, match[1], settings)


class ClickUpStore:
    """Reads the attachments of one task, as they were when it was first asked."""

    def __init__(self, uri: str, task_id: str, settings: Settings) -> None:
        self.uri = uri
        self._task_id, self._settings = task_id, settings
        self._client = open_client(settings)
        self._api = urlsplit(settings.clickup_api)
        own = (self._api.netloc,) if settings.clickup_api != API else ()
        self._reader = HttpReader(remedy=REMEDY, rules=Egress(settings.allowed_hosts, own=own))

    def probe(self) -> Capabilities:
        """Refused: nothing can be written here."""
        raise refused(self.uri)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``Store.list``; a task without any file is InputMissing."""
        if not self._files:
            raise InputMissing(f"{self.uri}: the task has no attachments to train on; attach the files to it")
        return iter([self._info(key) for key in sorted(self._files) if key.startswith(prefix)])

    def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        return self._info(key) if key in self._files else None

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        """See ``Store.read``."""
        data, _ = self._reader.read(self._url(key), self._address(key), limit_bytes=limit_bytes)
        return data, self._info(key).etag

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        """See ``Store.download``; a broken download is continued by the next call with the same ``path``."""
        return self._reader.download(self._url(key), self._address(key), path, sha256=sha256)

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
    def _files(self) -> dict[str, Attachment]:
        """Every attachment by its key."""
        task = self._client.task(self._task_id)
        files = [each for each in task.attachments if not each.title.startswith(OWN_PREFIX)]
        counts = Counter(_folded(_safe(each.title)) for each in files)
        found: dict[str, Attachment] = {}
        for each in files:
            key = _safe(each.title)
            if counts[_folded(key)] > 1:
                key = _with_id(key, each.id)
                _LOG.warning(
                    "%s: several attachments are called %r; this one is taken as %r", self.uri, each.title, key
                )
            found[key] = each
        return found

    def _info(self, key: str) -> ObjectInfo:
        file = self._files[key]
        return ObjectInfo(key, file.size_bytes, f"{file.id}-{file.stamp}")

    def _address(self, key: str) -> str:
        return f"{self.uri.rstrip('/')}/{key}"

    def _url(self, key: str) -> str:
        """Where the file lies: https, or the server that the operator named as the API's."""
        if key not in self._files:
            raise InputMissing(f"{self._address(key)}: the task has no such attachment; look at the task")
        url = quote(self._files[key].url, safe=punctuation)  # what is escaped already stays
        try:
            parts = urlsplit(url)
            good = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
            good = good and unquote(parts.netloc).isascii()
        except ValueError:
            good = False
        own = (parts.scheme, parts.netloc) == (self._api.scheme, self._api.netloc) if good else False
        if not good or (parts.scheme != "https" and not own):
            raise NoPermission(f"{self._address(key)}: lies at no https address; attach the file itself to the task")
        return url


def _safe(title: str) -> str:
    """A title as the name of a file: one part, no longer than a name may be, its ending kept."""
    name = unicodedata.normalize("NFC", ODD.sub("_", title.encode(errors="ignore").decode()))
    name = "".join(each for each in name if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    name = name.strip().lstrip(".") or "attachment"
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or len(ending) > 10:
        stem, dot, ending = name, "", ""
    room = MAX_NAME_BYTES - len(f"{dot}{ending}".encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + ending


def _with_id(name: str, attachment_id: str) -> str:
    stem, dot, ending = name.rpartition(".") if "." in name else (name, "", "")
    return f"{stem}-{re.sub('[^A-Za-z0-9-]', '-', attachment_id)[:60]}{dot}{ending}"


def _folded(name: str) -> str:
    """The name as file systems compare it that ignore the case."""
    return unicodedata.normalize("NFC", name.casefold())
