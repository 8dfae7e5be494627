"""An HTTP proxy before a real server whose answers tell back what the request said: headers, and planted secrets."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlsplit

NOT_FORWARDED = ("transfer-encoding", "connection", "keep-alive")


@dataclass
class Echo:
    """The proxy's address, and which requests (method, path) get the status of an error."""

    url: str
    secrets: Sequence[str]
    fault: Callable[[str, str], int | None] = lambda method, path: None
    num_faults: int = 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    echo: Echo
    upstream: str

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may leave in the middle."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = self.server.echo.fault(self.command, self.path)
        if status:
            self.server.echo.num_faults += 1
            self.send(status, [("Content-Type", "application/xml")], self.told())
            return
        connection = http.client.HTTPConnection(urlsplit(self.server.upstream).netloc, timeout=60)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in NOT_FORWARDED]
        self.send(answer.status, headers, answer.read())
        connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def told(self) -> bytes:
        """An error body as talkative as can be."""
        headers = dict(self.headers)
        said = "\n".join(
            [str(headers), json.dumps(headers), str(self.headers), *self.server.echo.secrets]
            + [quote(secret, safe="") for secret in self.server.echo.secrets]
        )
        address = f"http://ann:{quote(self.server.echo.secrets[0], safe='')}@host{self.path}"
        code = "<Code>AccessDenied</Code>" if self.command != "GET" else ""
        return f"<Error>{code}<Message>{escape(said)} {escape(address)}</Message></Error>".encode()

    def send(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Echo", quote(self.server.echo.secrets[0]))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def before(upstream: str, secrets: Sequence[str]) -> Iterator[Echo]:
    """Run a proxy on loopback."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.upstream = upstream
    server.echo = Echo(f"http://127.0.0.1:{server.server_address[1]}", secrets)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.echo
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
