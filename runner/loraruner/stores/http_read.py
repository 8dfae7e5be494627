"""Reading over HTTP for the stores that can only be read: one way to ask, one meaning for every answer.

Proxies (``HTTPS_PROXY``) and certificates (``SSL_CERT_FILE``) are those of Python's standard library. Which hosts may
be asked, at first and by a redirect, is ``loraruner.egress``'s to say.
"""

import http.client
import ssl
import urllib.error
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from string import punctuation
from urllib.parse import quote, unquote, urljoin, urlsplit

from loraruner.egress import Egress
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
from loraruner.stores.http_connect import Clock, Question, make_opener
from loraruner.stores.keys import shown
from loraruner.stores.ranged import Changed, Remote

READ_LIMIT_S = 60.0  # for a small answer as a whole, and until a large one begins
UNTOLD_BYTES = 16 << 30  # of a file whose size the server does not tell
MAX_REDIRECTS = 5
MAX_DIGITS = 18  # of a length: more is no size of a file, and Python refuses to read far more
PART_BYTES = 32 << 20
REDIRECTS = (301, 302, 303, 307, 308)
Answer = http.client.HTTPResponse | urllib.error.HTTPError
DENIED = (401, 403, 407)
MISSING = (404, 410)
TEMPORARY = (408, 425, 429)


class HttpReader:
    """GET requests to https servers. Its methods may be called from several threads.

    ``token`` is sent to the server that was asked, never to one it redirects to. ``remedy`` ends the sentence
    about a denied access. ``rules`` say which hosts may be asked although they are not public.
    """

    def __init__(self, *, token: str | None = None, remedy: str, rules: Egress) -> None:
        self._token = token
        self._remedy = remedy
        self._opener = make_opener(rules)

    def read(self, url: str, address: str, *, limit_bytes: int) -> tuple[bytes, Message]:
        """The whole answer and its headers; DataInvalid above the limit. ``address`` is what people see."""

        def once() -> tuple[bytes, Message]:
            with self._open(url, address, {}) as (answer, _):
                data = answer.read(limit_bytes + 1)
                if len(data) > limit_bytes:
                    raise DataInvalid(f"{address}: more than the {limit_bytes:,} bytes allowed here")
                promised = _size(answer.headers.get("Content-Length"), address)
                if promised is not None and len(data) != promised:
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
        with self._open(url, address, {"Range": "bytes=0-0"}, also=(416,)) as (answer, _):
            etag = _validator(answer.headers)
            if answer.status == 200:
                return _size(answer.headers.get("Content-Length"), address), etag, False
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            return _size(None if total in ("", "*") else total, address), etag, True

    def _range(self, url: str, address: str, etag: str, part: tuple[int, int] | None) -> Generator[bytes, None, None]:
        """Some bytes of exactly the content named by ``etag``; all of them when ``part`` is None."""
        headers = {}
        if part is not None:
            headers["Range"] = f"bytes={part[0]}-{part[0] + part[1] - 1}"
            if not etag.startswith("W/"):
                headers["If-Range"] = etag
        with self._open(url, address, headers) as (answer, clock):
            if _validator(answer.headers) != etag or answer.status != (200 if part is None else 206):
                raise Changed("it was replaced meanwhile")
            clock.lift()
            came = 0
            while chunk := answer.read(CHUNK_BYTES):
                came += len(chunk)
                if came > UNTOLD_BYTES and answer.headers.get("Content-Length") is None:
                    raise DataInvalid(f"{address}: no size is told and {came:,} bytes came; use a server that tells it")
                yield chunk

    @contextmanager
    def _open(
        self, url: str, address: str, headers: Mapping[str, str], also: tuple[int, ...] = ()
    ) -> Iterator[tuple[Answer, Clock]]:
        """The answer to a GET; statuses in ``also`` count as answers, all others are raised as errors."""
        clock = Clock(READ_LIMIT_S)
        question = Question(url, {**headers, "Accept-Encoding": "identity"}, clock)
        if self._token:
            question.add_unredirected_header("Authorization", f"Bearer {self._token}")
        with self._translated(address):
            answer: Answer
            try:
                answer = self._follow(question, address)
            except urllib.error.HTTPError as error:
                if error.code not in also:
                    raise
                answer = error
            with answer:
                yield answer, clock

    def _follow(self, question: Question, address: str) -> http.client.HTTPResponse:
        """The answer where the last redirect leads; raises NoPermission (77) for one that is not followed."""
        for _ in range(MAX_REDIRECTS + 1):
            try:
                answer: http.client.HTTPResponse = self._opener.open(question, timeout=question.clock.timeout_s())
                return answer
            except urllib.error.HTTPError as error:
                location = error.headers.get("Location")
                if error.code not in REDIRECTS or not location:
                    raise
                error.close()  # unread: nobody needs its body, which may be endless
                question = _redirected(question, location, address)
            except NoPermission as error:
                raise NoPermission(f"{address}: {error}") from error
        raise NoPermission(f"{address}: is redirected more than {MAX_REDIRECTS} times; name the file's last address")

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


def _validator(headers: Message) -> str:
    return str(headers.get("ETag") or headers.get("Last-Modified") or "")


def _size(text: str | None, address: str) -> int | None:
    """A size that a header tells; raises DataInvalid for what is none."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise DataInvalid(f"{address}: the server tells the size {text[:40]!r}; use a server that tells a number")
    return int(text)


def _redirected(old: Question, location: str, address: str) -> Question:
    """The next question: to https, or to the same server, with which alone the Authorization header stays."""
    try:
        url = urljoin(old.full_url, quote(location, encoding="iso-8859-1", safe=punctuation))
        was, new = urlsplit(old.full_url), urlsplit(url)
        if not unquote(new.netloc).isascii():
            raise ValueError("a host is ASCII")
    except ValueError as error:
        raise NoPermission(f"{address}: is redirected to what is no address; name the file's last address") from error
    same_server = (was.scheme, was.netloc) == (new.scheme, new.netloc)
    if new.scheme != "https" and not same_server:
        raise NoPermission(f"{shown(url)}: a redirect away from https is not followed; name an https address")
    if "@" in new.netloc:
        raise NoPermission(f"{shown(url)}: a redirect with a login is not followed; name the file's last address")
    question = Question(url, dict(old.headers), old.clock)
    if same_server and "Authorization" in old.unredirected_hdrs:
        question.add_unredirected_header("Authorization", old.unredirected_hdrs["Authorization"])
    return question
