"""An HTTP proxy before a real server that does to chosen requests what networks and stores do."""

import http.client
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from loraruner.faults.answers import CHANGED, INSTEAD, Answer, flipped, refusal
from loraruner.stores.s3_client import UPSTREAM_HEADER

STALL_S = 5.0
UPSTREAM_TIMEOUT_S = 60.0
OF_THE_TRANSFER = ("transfer-encoding", "content-length", "connection", "keep-alive")
NOT_PASSED_ON = (UPSTREAM_HEADER, "expect", "connection")


@dataclass(frozen=True)
class Seen:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def range(self) -> str:
        """The Range header; "" for the whole."""
        return self.headers.get("range", "")


@dataclass
class Proxy:
    """``fault`` names what happens to a request, or None:

    a status (``503``), a name in ``answers.INSTEAD`` or ``answers.CHANGED``, ``stall`` (no answer for a while),
    ``twice`` (sent to the server twice, the second answer given), ``stale`` (the answer before this one),
    ``flip-sent`` (one bit of the request's body).
    """

    endpoint: str
    fault: Callable[[Seen], str | None] = lambda seen: None
    seen: list[Seen] = field(default_factory=list)
    num_injected: int = 0
    earlier: dict[str, Answer] = field(default_factory=dict)  # the first answer to each LIST

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
    request_queue_size = 64

    def __init__(self, upstream: str, cafile: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.cafile = cafile
        self.proxy = Proxy(f"http://127.0.0.1:{self.server_address[1]}")
        self.ended = threading.Event()
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are stopped close their connections in the middle: nothing to report."""

    def count(self) -> None:
        """Note that a fault was done."""
        with self.lock:
            self.proxy.num_injected += 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    _connection: http.client.HTTPConnection | None = None

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.server.proxy.seen.append(seen)
        fault = self.server.proxy.fault(seen)
        if fault is None:
            self.give(self.forward(body))
            return
        if fault == "stall":
            self.server.count()
            self.server.ended.wait(STALL_S)
            self.close_connection = True
            return
        self.give(self.faulty(body, fault))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

    def faulty(self, body: bytes, fault: str) -> Answer:
        """The answer that the client gets under a fault; counted where it differs from the true one."""
        if fault.isdigit() or fault in INSTEAD:
            self.server.count()
            return refusal(fault, x_amz_checksum_crc32="AAAAAA==") if fault.isdigit() else INSTEAD[fault]()
        if fault == "stale" and self.path in self.server.proxy.earlier:
            self.server.count()
            return self.server.proxy.earlier[self.path]
        if fault in ("twice", "flip-sent"):
            self.server.count()
            if fault == "flip-sent":
                return self.forward(flipped(body))
            self.forward(body)
        answer = self.forward(body)
        changed = CHANGED[fault](answer) if fault in CHANGED else answer
        if changed != answer:
            self.server.count()
        return changed

    def forward(self, body: bytes) -> Answer:
        """The server's own answer; 502 when there is none."""
        try:
            answer = self.ask(body)
        except (OSError, http.client.HTTPException):
            self._connection = None
            try:
                answer = self.ask(body)  # a kept connection may have been closed meanwhile
            except (OSError, http.client.HTTPException) as error:
                self._connection = None
                return refusal("502", type(error).__name__)
        if self.command == "GET" and not self.headers.get("Range") and "list-type=2" in self.path:
            self.server.proxy.earlier.setdefault(self.path, answer)
        return answer

    def ask(self, body: bytes) -> Answer:
        connection = self._connection = self._connection or self.connect()
        # The Host header goes on unchanged: it is part of the signature.
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in NOT_PASSED_ON:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        headers = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in OF_THE_TRANSFER)
        if self.command == "HEAD":
            headers += (("Content-Length", answer.headers.get("Content-Length", "0")),)
        return Answer(answer.status, headers, data)

    def connect(self) -> http.client.HTTPConnection:
        true = urlsplit(self.headers.get(UPSTREAM_HEADER) or self.server.upstream)
        if true.scheme == "https":
            context = ssl.create_default_context(cafile=self.server.cafile)
            return http.client.HTTPSConnection(true.netloc, timeout=UPSTREAM_TIMEOUT_S, context=context)
        return http.client.HTTPConnection(true.netloc, timeout=UPSTREAM_TIMEOUT_S)

    def give(self, answer: Answer) -> None:
        """Send an answer, or as much of it as its ``end`` lets through."""
        body = answer.body
        if self.command == "HEAD" or answer.status in (204, 304):
            body = b""
        half = body[: len(body) // 2]
        if answer.end != "reset" or half:
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if answer.end == "chunked":
                self.send_header("Transfer-Encoding", "chunked")
            elif self.command != "HEAD" or not answer.header("Content-Length"):
                self.send_header("Content-Length", str(len(half if answer.end == "shortened" else body)))
            self.end_headers()
            if answer.end == "chunked":
                self.wfile.write(f"{len(half):x}\r\n".encode() + half + b"\r\n0\r\n\r\n" if half else b"0\r\n\r\n")
            else:
                self.wfile.write(body if answer.end == "kept" else half)
        if answer.end == "reset":
            self.reset()
        self.close_connection = self.close_connection or answer.end != "kept"

    def reset(self) -> None:
        """End the connection by RST: what was not read yet is lost."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def finish(self) -> None:
        if self._connection is not None:
            self._connection.close()
        super().finish()


@contextmanager
def serve(upstream: str = "", *, cafile: str | None = None) -> Iterator[Proxy]:
    """Run a proxy on loopback before ``upstream`` (``http(s)://HOST:PORT``), or where each request's header says."""
    server = _Server(upstream, cafile)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.proxy
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
