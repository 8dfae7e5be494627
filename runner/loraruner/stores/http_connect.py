"""How HTTP connections are made: to judged addresses, with a limit on the whole time until an answer has come."""

import http.client
import socket
import ssl
import time
import urllib.request
from collections.abc import Sequence
from functools import partial
from typing import Any

from loraruner import egress
from loraruner.egress import AddressInfo, Egress

TIMEOUT_S = 30.0  # for each step: to connect, to get the next bytes


class Clock:
    """The time that one question may take in all: a server that sends a byte now and then can't hold it up."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._ends: float | None = time.monotonic() + limit_s

    def timeout_s(self) -> float:
        """How long the next step may take; raises TimeoutError when nothing is left."""
        if self._ends is None:
            return TIMEOUT_S
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"no whole answer within {self._limit_s:g} s")
        return min(TIMEOUT_S, left_s)

    def lift(self) -> None:
        """From now on only each step is limited: a large file may take its time."""
        self._ends = None


class Question(urllib.request.Request):
    """A request with its clock."""

    def __init__(self, url: str, headers: dict[str, str], clock: Clock) -> None:
        super().__init__(url, headers=headers)
        self.clock = clock


class _Socket(socket.socket):
    clock: Clock | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.clock:
            self.settimeout(self.clock.timeout_s())
        return super().recv_into(*args, **kwargs)


class _TlsSocket(ssl.SSLSocket):
    clock: Clock | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.clock:
            self.settimeout(self.clock.timeout_s())
        return super().recv_into(*args, **kwargs)


class _Judged(http.client.HTTPConnection):
    """Connects to the addresses that ``Egress`` found good, or to the operator's proxy once it judged the host."""

    def __init__(self, host: str, *, rules: Egress, clock: Clock, **options: Any) -> None:
        super().__init__(host, **options)
        self._rules, self._clock = rules, clock
        self._create_connection = self._dial  # the standard library's own hook, one for all its ways to connect
        self._tunnel_host: str | None = None
        self._tunnel_port: int | None = None

    def _dial(self, address: tuple[str, int], *_: object) -> socket.socket:
        host, port = address
        if self._tunnel_host:
            self._rules.require(self._tunnel_host, self._tunnel_port or http.client.HTTPS_PORT)
            infos: Sequence[AddressInfo] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        else:
            infos = self._rules.resolve(host, port)
        link = egress.connect(infos, _Socket, self._clock.timeout_s())
        assert isinstance(link, _Socket)
        link.clock = self._clock
        return link


class _JudgedTls(_Judged, http.client.HTTPSConnection):
    """The same with TLS: certificate and SNI are those of the host's name, not of the address."""

    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, _TlsSocket)
        self.sock.clock = self._clock


class _Http(urllib.request.HTTPHandler):
    def __init__(self, rules: Egress) -> None:
        super().__init__()
        self._rules = rules

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Judged, rules=self._rules, clock=_clock_of(req)), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, rules: Egress) -> None:
        super().__init__()
        self._rules, self._tls = rules, ssl.create_default_context()
        self._tls.sslsocket_class = _TlsSocket

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        made = partial(_JudgedTls, rules=self._rules, clock=_clock_of(req), context=self._tls)
        return self.do_open(made, req)


def make_opener(rules: Egress) -> urllib.request.OpenerDirector:
    """Opens http and https, by ``HTTPS_PROXY`` where it is set, and nothing else; a redirect is an error for it."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Http(rules),
        _Https(rules),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _clock_of(request: urllib.request.Request) -> Clock:
    return request.clock if isinstance(request, Question) else Clock(TIMEOUT_S)
