"""JSON over HTTP for outside services: judged hosts, time-outs, bounded answers, 429 and Retry-After honoured.

What is asked again: whatever never left this machine, every 429 (the service did nothing), and, where doing it twice
does no harm, lost answers, 408, 425 and 5xx. A POST does harm twice: only ``retry_post`` or a header
``Idempotency-Key`` lets it be repeated; else ``Unavailable.arrived`` says that it may have been carried out.
"""

import json
import logging
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from urllib.parse import SplitResult, urlsplit

from loraruner.clients.answers import MAX_READ, MAX_WORDS, REMEDY, Answer, Refused, Unavailable, fault_of
from loraruner.egress import Egress, require_listed
from loraruner.errors import DataInvalid, EnvironmentUnfit, LoraRunerError, NoPermission, SpecInvalid
from loraruner.redact import Redactor
from loraruner.settings import Settings

if TYPE_CHECKING:
    import httpx2

    from loraruner.clients.connection import Limit

__all__ = ["Answer", "JsonClient", "Patience", "Question", "Refused", "Unavailable"]
_LOG = logging.getLogger(__name__)
ANSWER_BYTES = 2 << 20
SECRET_PATH = 12  # characters: longer paths of an address are secrets, as those of webhooks
TRIES, LIMIT_S = 4, 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 16.0
HARMLESS = ("GET", "HEAD", "PUT", "DELETE")  # the same once or twice
PORTS = {"http": 80, "https": 443}
_dice = random.SystemRandom()  # pauses must not draw from the numbers that shape the training


class Patience(TypedDict, total=False):
    """How often and how long (seconds, all tries together) is asked. ``remedy`` says what to do about a denied access.

    ``sleep`` and ``clock``, the time of day (epoch), are for tests.
    """

    tries: int
    limit_s: float
    remedy: str
    sleep: Callable[[float], None]
    clock: Callable[[], float]


class Question(TypedDict, total=False):
    """What a request carries. ``files`` are streamed (multipart), ``limit_bytes`` bounds the answer (2 MiB).

    ``timeout_s`` replaces the client's limit on the time.
    """

    json: Any
    params: Mapping[str, Any]
    files: Mapping[str, Any]
    headers: Mapping[str, str]
    content: bytes
    timeout_s: float
    retry_post: bool
    limit_bytes: int


class JsonClient:
    """Asks one service. ``name`` stands in messages; may be used from several threads.

    ``own``: the operator named the server himself, so that it may be a private one and speak http. Others speak https,
    are public or listed, and where ``LORARUNER_ALLOWED_HOSTS`` lists hosts they are one of them. Opening asks nobody.
    Raises NoPermission (77), EnvironmentUnfit (78) where httpx2 is missing, SpecInvalid (64) for what is no address.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str],
        name: str,
        settings: Settings,
        own: bool,
        **patience: Unpack[Patience],
    ) -> None:
        if find_spec("httpx2") is None:
            raise EnvironmentUnfit(f"{name}: the package httpx2 is not installed; pip install 'loraruner[notify]'")
        self.name, self._base, self._headers = name, base, dict(headers)
        self._server, self._patience = _server_of(base, name), patience
        self._clock = patience.get("clock", time.time)
        host, port = self._server.hostname or "", self._server.port or PORTS[self._server.scheme]
        self._rules = Egress(settings.allowed_hosts, own=(f"[{host}]:{port}",) if own else ())
        if not own:
            require_listed(host, port, settings.allowed_hosts)
        if self._server.scheme == "http" and not self._rules.permits(host, port):
            raise NoPermission(f"{name}: {host} is asked over http, which anybody can read; use an https address")
        self._redactor = Redactor((*settings.secrets, *_secrets(self._server, self._headers)))
        self._link: tuple[httpx2.Client, Limit] | None = None

    def request(self, method: str, path: str = "", **question: Unpack[Question]) -> Answer:
        """Ask and return a good answer.

        Raises NoPermission (77), InputMissing (66) for 404 and 410, Refused (65) for what else the service will not
        do, DataInvalid (65) for an answer above 2 MiB, Unavailable (75) when patience is used up.
        """
        sleep, tries = self._patience.get("sleep", time.sleep), self._patience.get("tries", TRIES)
        limit_s = question.get("timeout_s", self._patience.get("limit_s", LIMIT_S))
        repeatable = method in HARMLESS or bool(question.get("retry_post"))
        repeatable = repeatable or any(name.lower() == "idempotency-key" for name in question.get("headers", {}))
        left_s, number = limit_s, 1
        while True:
            began = time.monotonic()
            try:
                return self._once(method, path, question, left_s)
            except Unavailable as fault:
                if number >= tries or (fault.arrived and not repeatable):
                    raise
                pause_s = _pause_s(number, fault.wait_s)
                left_s -= time.monotonic() - began + pause_s
                if left_s <= 0:
                    raise
                _LOG.info("try %d of %d, the next in %.1f s: %s", number, tries, pause_s, fault)
                sleep(pause_s)
                number += 1

    def close(self) -> None:
        """Close the connections."""
        if self._link is not None:
            self._link[0].close()

    def _once(self, method: str, path: str, question: Question, limit_s: float) -> Answer:
        from loraruner.clients import connection

        client, limit = self._opened()
        limit.start(limit_s)
        try:
            with client.stream(method, self._address(path), **self._content(question)) as answer:
                status = answer.status_code
                headers = {name.lower(): value for name, value in answer.headers.items()}
                limit_bytes = question.get("limit_bytes", ANSWER_BYTES)
                body = self._body(answer, limit_bytes) if 200 <= status < 300 else _start(answer)
        except connection.NOT_SENT as error:
            raise self._lost(method, path, error, arrived=False) from error
        except connection.FAULTS as error:
            raise self._lost(method, path, error, arrived=True) from error
        if 200 <= status < 300:
            return Answer(status, headers, body, self.name)
        bad = Answer(status, headers, body, self.name)
        remedy = self._patience.get("remedy", REMEDY)
        raise fault_of(f"{self.name}: {method} {path}".rstrip(), bad, self._redactor, self._clock(), remedy)

    def _address(self, path: str) -> str:
        return self._base.rstrip("/") + path if path else self._base

    def _opened(self) -> "tuple[httpx2.Client, Limit]":
        from loraruner.clients import connection

        if self._link is None:
            for noisy in ("httpx2", "httpcore2"):  # they would log addresses, which may be secrets
                logging.getLogger(noisy).setLevel(logging.WARNING)
            limit = connection.Limit()
            self._link = connection.make_client(self._server, self._rules, limit), limit
        return self._link

    def _content(self, question: Question) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **self._headers}
        given: dict[str, Any] = {"params": question.get("params"), "files": question.get("files")}
        given["content"] = question.get("content")
        if "json" in question:
            given["content"] = json.dumps(question["json"], allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        return {**given, "headers": {**headers, **question.get("headers", {})}}

    def _body(self, answer: "httpx2.Response", limit_bytes: int) -> bytes:
        """The bytes of an answer as they came (nothing is unpacked); raises DataInvalid above the limit."""
        length = answer.headers.get("content-length", "")
        body = bytearray()
        if not (length.isascii() and length.isdigit() and int(length[:18]) > limit_bytes):
            for chunk in answer.iter_raw(64 << 10):
                body += chunk
                if len(body) > limit_bytes:
                    break
            else:
                return bytes(body)
        raise DataInvalid(f"{self.name}: an answer holds more than {limit_bytes:,} bytes; check the address")

    def _lost(self, method: str, path: str, error: Exception, *, arrived: bool) -> LoraRunerError:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                reason = f"the certificate is not trusted ({cause.verify_message})"
                return EnvironmentUnfit(f"{self.name}: {reason}; set SSL_CERT_FILE to the CA certificates")
            cause = cause.__cause__ or cause.__context__
        told = self._redactor.text(str(error) or type(error).__name__)[:MAX_WORDS]
        what = f"{self.name}: {method} {path}".rstrip()
        return Unavailable(f"{what}: no answer from {self._server.hostname} ({told}); try again later", arrived=arrived)


def _start(answer: "httpx2.Response") -> bytes:
    """Enough of a bad answer for its words, whatever its length."""
    body = b""
    for chunk in answer.iter_raw(MAX_READ):
        body += chunk
        if len(body) >= MAX_READ:
            break
    return body


def _server_of(base: str, name: str) -> SplitResult:
    """The address in parts; raises SpecInvalid without showing it, as it may be a secret."""
    try:
        parts = urlsplit(base)
        good = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good or not base.isascii() or not base.isprintable() or " " in base:
        raise SpecInvalid(f"{name}: its address is none; write https://HOST/PATH, without a login")
    return parts


def _secrets(server: SplitResult, headers: Mapping[str, str]) -> Iterator[str]:
    """What only this client knows: logins, and addresses that are secrets themselves."""
    for name, value in headers.items():
        if name.lower() == "authorization":
            yield value
            yield value.rpartition(" ")[2]
    yield server.query
    if len(server.path) > SECRET_PATH:
        yield server.path


def _pause_s(number: int, asked_s: float | None) -> float:
    """The pause after a try: what the service asks for and a little more, so that not everybody comes back at once."""
    if asked_s is not None:
        return asked_s + _dice.uniform(0, 1)
    longest_s: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**number)
    return _dice.uniform(0.5, 1) * longest_s
