"""One address for two servers: files come from the second, everything else from the first, whatever it answers."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOPS = ("connection", "transfer-encoding", "keep-alive", "content-length")


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    behind: str
    files: str

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may leave in the middle."""


class _Handler(BaseHTTPRequestHandler):
    server: _Front
    protocol_version = "HTTP/1.1"

    def pass_on(self) -> None:
        behind = urlsplit(self.server.files if self.path.startswith("/files/") else self.server.behind)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in (*HOPS, "host")}
        connection = http.client.HTTPConnection(behind.hostname or "", behind.port, timeout=60)
        try:
            connection.request(self.command, self.path, body=body or None, headers=headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOPS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = pass_on

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def front(behind: str, files: str) -> Iterator[str]:
    """The address of a front before ``behind``, with ``/files/`` of ``files``."""
    with _Front(("127.0.0.1", 0), _Handler) as server:
        server.behind, server.files = behind, files
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
