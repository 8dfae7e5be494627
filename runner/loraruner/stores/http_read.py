"""Reading over HTTP for the stores that can only be read: one way to ask, one meaning for every answer.

Proxies (``HTTPS_PROXY``) and certificates (``SSL_CERT_FILE``) are those of Python's standard library.
"""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from loraruner.errors import (
    DataInvalid,
    EnvironmentUnfit,
    InputMissing,
    LoraRunerError,
    NoPermission,
    TemporaryFailure,
)
from loraruner.files import CHUNK_BYTES, Digest
from loraruner.stores import ranged, retry
from loraruner.stores.keys import shown
from loraruner.stores.ranged import Changed, Remote

TIMEOUT_S = 30.0
PART_BYTES = 32 << 20
DENIED = (401, 403, 407)
MISSING = (404, 410)
TEMPORARY = (408, 425, 429)


class HttpReader:
    """GET requests to https servers. Its methods may be called from several threads.

    ``token`` is sent to the server that was asked, never to one it redirects to. ``remedy`` ends the sentence
    about a denied access.
    """

    def __init__(self, *, token: str | None = None, remedy: str) -> None:
        self._token = token
        self._remedy = remedy
        context = ssl.create_default_context()
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Redirects())

    def read(self, url: str, address: str, *, limit_bytes: int) -> tuple[bytes, http.client.HTTPMessage]:
        """The whole answer and its headers; DataInvalid above the limit. ``address`` is what people see."""

        def once() -> tuple[bytes, http.client.HTTPMessage]:
            with self._open(url, address, {}) as answer:
                data = answer.read(limit_bytes + 1)
                if len(data) > limit_bytes:
                    raise DataInvalid(f"{address}: more than the {limit_bytes:,} bytes allowed here")
                promised = answer.headers.get("Content-Length")
                if promised is not None and len(data) != int(promised):
                    raise TemporaryFailure(f"{address}: {len(data):,} bytes came of {promised}; start the job again")
                return data, answer.headers

        return retry.patiently(once)

    def download(self, url: str, address: str, path: Path, *, sha256: str | None, kept: str | None = None) -> Digest:
        """Fetch to ``path``; ``kept`` is the digest that the server's own catalogue names, if any."""
        return ranged.fetch(lambda: self.find(url, address, kept=kept), path, sha256=sha256)

    def find(self, url: str, address: str, *, kept: str | None = None) -> Remote:
        """Size and validator, by asking for one byte: unlike HEAD, signed addresses allow it."""
        size_bytes, etag, ranges = retry.patiently(lambda: self._ask(url, address))

        def open_range(start: int, length_bytes: int | None) -> Generator[bytes, None, None]:
            if length_bytes is None or length_bytes == size_bytes:
                return self._range(url, address, etag, None)
            return self._range(url, address, etag, (start, length_bytes))

        part_bytes = PART_BYTES if ranges else size_bytes or 0
        return Remote(address, size_bytes, etag, open_range, part_bytes=part_bytes, sha256=kept)

    def _ask(self, url: str, address: str) -> tuple[int | None, str, bool]:
        with self._open(url, address, {"Range": "bytes=0-0"}, also=(416,)) as answer:
            etag = _validator(answer.headers)
            if answer.status == 200:
                promised = answer.headers.get("Content-Length")
                return (None if promised is None else int(promised)), etag, False
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            return (int(total) if total.isdigit() else None), etag, True

    def _range(self, url: str, address: str, etag: str, part: tuple[int, int] | None) -> Generator[bytes, None, None]:
        """Some bytes of exactly the content named by ``etag``; all of them when ``part`` is None."""
        headers = {}
        if part is not None:
            headers["Range"] = f"bytes={part[0]}-{part[0] + part[1] - 1}"
            if not etag.startswith("W/"):
                headers["If-Range"] = etag
        with self._open(url, address, headers) as answer:
            if _validator(answer.headers) != etag or answer.status != (200 if part is None else 206):
                raise Changed("it was replaced meanwhile")
            while chunk := answer.read(CHUNK_BYTES):
                yield chunk

    @contextmanager
    def _open(
        self, url: str, address: str, headers: Mapping[str, str], also: tuple[int, ...] = ()
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to a GET; statuses in ``also`` count as answers, all others are raised as errors."""
        request = urllib.request.Request(url, headers={**headers, "Accept-Encoding": "identity"})
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        with self._translated(address):
            try:
                answer = self._opener.open(request, timeout=TIMEOUT_S)
            except urllib.error.HTTPError as error:
                if error.code not in also:
                    raise
                answer = error
            with answer:
                yield answer

    @contextmanager
    def _translated(self, address: str) -> Iterator[None]:
        try:
            yield
        except urllib.error.HTTPError as error:
            raise self._status_error(error.code, address) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise EnvironmentUnfit(
                    f"{address}: the certificate is not trusted ({reason.verify_message}); "
                    "set SSL_CERT_FILE to the CA certificates"
                ) from error
            raise TemporaryFailure(f"{address}: the transfer failed ({reason}); start the job again") from error

    def _status_error(self, status: int, address: str) -> LoraRunerError:
        if status in DENIED:
            return NoPermission(f"{address}: access denied ({status}); {self._remedy}")
        if status in MISSING:
            return InputMissing(f"{address}: is not there ({status}); check the address")
        if status in TEMPORARY or status >= 500:
            return TemporaryFailure(f"{address}: the server is unavailable ({status}); start the job again")
        return InputMissing(f"{address}: the server refuses to give it ({status}); check the address")


def refused(uri: str) -> NoPermission:
    """The error of every writing method of a store that can only be read."""
    return NoPermission(f"{shown(uri)}: this store can only be read; write to a path or an s3:// address")


def _validator(headers: http.client.HTTPMessage) -> str:
    return str(headers.get("ETag") or headers.get("Last-Modified") or "")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and to the same server; the Authorization header stays with that server."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        same_server = (old.scheme, old.netloc) == (new.scheme, new.netloc)
        if new.scheme != "https" and not same_server:
            fp.close()
            raise NoPermission(f"{shown(newurl)}: a redirect away from https is not followed; name an https address")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and same_server and "Authorization" in req.unredirected_hdrs:
            request.add_unredirected_header("Authorization", req.unredirected_hdrs["Authorization"])
        return request
