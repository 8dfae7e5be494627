"""A small JSON service on loopback that answers what a test says, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loraruner import settings
from loraruner.clients.http import JsonClient

TOKEN = "pk_8823_SECRETOFTHEAPI"
NOW = 1_700_000_000.0


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """One answer; ``status`` 0 closes the connection without one."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Service:
    """Its address and the requests until now; ``answer`` makes the reply of each."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Reply] = lambda asked: Reply()

    def says(self, *replies: Reply) -> None:
        """Answer with these, one after the other; the last one stays."""
        left = list(replies)
        self.answer = lambda asked: left.pop(0) if len(left) > 1 else left[0]


class Waits(list[float]):
    """The pauses that a client made, without making them."""

    def client(self, base: str, *, own: bool = True, hosts: str = "", **patience: Any) -> JsonClient:
        environment = {"HOME": "/nonexistent", **({"LORARUNER_ALLOWED_HOSTS": hosts} if hosts else {})}
        given = {"sleep": self.append, "clock": lambda: NOW, "limit_s": 300.0, **patience}
        return JsonClient(
            base,
            headers={"Authorization": TOKEN},
            name="Service",
            settings=settings.load(environment),
            own=own,
            **given,
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: Service

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may leave in the middle."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, dict(self.headers), body)
        self.server.service.asked.append(asked)
        reply = self.server.service.answer(asked)
        if not reply.status:
            self.close_connection = True
            return
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def serve() -> Iterator[Service]:
    """Run a service on loopback."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.service = Service(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
