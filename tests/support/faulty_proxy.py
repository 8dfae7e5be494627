"""An HTTP proxy before a real server that does to chosen requests what networks and stores do."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

STALL_S = 5.0


@dataclass(frozen=True)
class Seen:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def range(self) -> str:
        return self.headers.get("range", "")


@dataclass
class Proxy:
    """``fault`` names what happens to a request, or None:

    a status (``503``), ``lost`` (done, but the answer is a 503), ``flip`` (one bit), ``cut`` (half a body),
    ``stall`` (no answer for a while), ``ok`` (success without doing anything).
    """

    endpoint: str
    fault: Callable[[Seen], str | None] = lambda seen: None
    seen: list[Seen] = field(default_factory=list)

    def ranges(self) -> list[str]:
        """The ranges asked for until now."""
        return [seen.range for seen in self.seen if seen.range]


def once(wanted: Callable[[Seen], bool], fault: str) -> Callable[[Seen], str | None]:
    """A fault for the first request that is ``wanted``."""
    left = [fault]
    lock = threading.Lock()

    def choose(seen: Seen) -> str | None:
        with lock:
            return left.pop() if left and wanted(seen) else None

    return choose


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.proxy = Proxy(f"http://127.0.0.1:{self.server_address[1]}")

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are stopped close their connections in the middle: nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.server.proxy.seen.append(seen)
        fault = self.server.proxy.fault(seen)
        if fault == "stall":
            time.sleep(STALL_S)
            self.close_connection = True
        elif fault == "ok":
            self.answer(200, {"ETag": '"ok"'}, b"")
        elif fault is not None and fault.isdigit():
            self.answer(int(fault), {"x-amz-checksum-crc32": "AAAAAA=="}, error_body(fault))
        else:
            self.forward(body, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

    def forward(self, body: bytes, fault: str | None) -> None:
        connection = http.client.HTTPConnection(self.server.upstream)
        # The Host header goes on unchanged: it is part of the signature.
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if fault == "lost":
            self.answer(503, {}, error_body("503"))
            return
        if fault == "flip":
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        self.answer(answer.status, dict(answer.getheaders()), data, cut=fault == "cut")

    def answer(self, status: int, headers: dict[str, str], data: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut


@contextmanager
def serve(upstream: str) -> Iterator[Proxy]:
    """Run a proxy on loopback before ``upstream`` (``http://HOST:PORT``)."""
    server = _Server(urlsplit(upstream).netloc)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def error_body(status: str) -> bytes:
    """An S3 error document."""
    code = {"503": "SlowDown", "403": "AccessDenied", "501": "NotImplemented"}.get(status, "Refused")
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>planted</Message></Error>".encode()
