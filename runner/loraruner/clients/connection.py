"""How the clients connect: to judged addresses or through the operator's proxy, with one limit on the whole answer.

Imports httpx2 and httpcore2, and is therefore imported where the first question is asked.
"""

import math
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import SplitResult

import httpcore2
import httpx2

from loraruner.egress import Egress

CONNECT_S, STEP_S = 10.0, 30.0
PORTS = {"http": 80, "https": 443}
TIMEOUT = httpx2.Timeout(STEP_S, connect=CONNECT_S)

# The request never left this machine; of all other faults nobody knows what the service made of it.
NOT_SENT = (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.PoolTimeout, httpcore2.ProxyError)
FAULTS = (
    *NOT_SENT,
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
    httpx2.HTTPError,
    OSError,
)


class Limit(threading.local):
    """When the question that this thread asks must have its whole answer: a server that drips can't hold it up."""

    ends: float = math.inf

    def start(self, limit_s: float) -> None:
        """From now on ``limit_s`` seconds."""
        self.ends = time.monotonic() + limit_s

    def step_s(self, timeout_s: float | None) -> float:
        """How long the next step may take; raises httpcore2.ReadTimeout when nothing is left."""
        left_s = self.ends - time.monotonic()
        if left_s <= 0:
            raise httpcore2.ReadTimeout("no whole answer in time")
        return min(timeout_s or STEP_S, left_s)


class _Stream(httpcore2.NetworkStream):
    """A stream that keeps to the limit of the thread that uses it."""

    def __init__(self, inner: httpcore2.NetworkStream, limit: Limit) -> None:
        self._inner, self._limit = inner, limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._limit.step_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._limit.step_s(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._limit.step_s(timeout))
        return _Stream(inner, self._limit)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Judged(httpcore2.NetworkBackend):
    """Connects to the addresses that ``Egress`` found good; with ``rules`` None to the proxy, which the operator set.

    Certificate and SNI stay those of the host's name.
    """

    def __init__(self, rules: Egress | None, limit: Limit) -> None:
        self._rules, self._limit, self._dial = rules, limit, httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failed: Exception = httpcore2.ConnectError("the name has no address")
        for address in self._addresses(host, port):
            try:
                stream = self._dial.connect_tcp(
                    address, port, self._limit.step_s(timeout), local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream, self._limit)
        raise failed

    def _addresses(self, host: str, port: int) -> list[str]:
        if self._rules is None:
            return [host]
        try:
            return [str(info[4][0]) for info in self._rules.resolve(host, port)]
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error


class _Body(httpx2.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        self._stream.close()


class Transport(httpx2.BaseTransport):
    """Carries the requests of one client to one server. Its errors are those in ``FAULTS``, and NoPermission (77)."""

    def __init__(self, server: SplitResult, rules: Egress, limit: Limit) -> None:
        tls = ssl.create_default_context()
        proxy = _proxy_of(server)
        self._pool: httpcore2.ConnectionPool
        if proxy is None:
            self._pool = httpcore2.ConnectionPool(ssl_context=tls, network_backend=_Judged(rules, limit))
            return
        rules.require(server.hostname or "", server.port or PORTS[server.scheme])
        self._pool = httpcore2.HTTPProxy(
            httpcore2.URL(
                scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
            ),
            proxy_auth=proxy.raw_auth,
            ssl_context=tls,
            network_backend=_Judged(None, limit),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """See ``httpx2.BaseTransport``."""
        url = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        answer = self._pool.handle_request(
            httpcore2.Request(
                request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
            )
        )
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def make_client(server: SplitResult, rules: Egress, limit: Limit) -> httpx2.Client:
    """A client for one server: no redirect is followed, no login taken from ``~/.netrc``."""
    transport = Transport(server, rules, limit)
    return httpx2.Client(transport=transport, timeout=TIMEOUT, trust_env=False, follow_redirects=False)


def _proxy_of(server: SplitResult) -> httpx2.Proxy | None:
    """The operator's proxy (``HTTPS_PROXY`` and the others) for this server, as Python's standard library finds it."""
    proxies = urllib.request.getproxies()
    address = proxies.get(server.scheme) or proxies.get("all")
    if not address or urllib.request.proxy_bypass(server.netloc.rpartition("@")[2]):
        return None
    return httpx2.Proxy(address if "://" in address else f"http://{address}")
