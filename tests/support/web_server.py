"""A small web server that knows ranges, for the stores that read over HTTP."""

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Page:
    """What a path answers. ``fault`` is asked before each answer: a status, ``cut``, ``flip`` or None."""

    data: bytes = b""
    etag: str = '"v1"'
    location: str = ""
    link: str = ""
    ranges: bool = True
    length: bool = True
    fault: Callable[[str], str | None] = lambda wanted_range: None


@dataclass
class Web:
    """The pages by path (with query), and the requests until now: path, range, Authorization."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    def ranges(self) -> list[str]:
        """The ranges asked for until now, without those that only look."""
        return [wanted for _, wanted, _ in self.seen if wanted and wanted != "bytes=0-0"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    web: Web

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may leave in the middle, or refuse the certificate: nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.web.seen.append((self.path, wanted, self.headers.get("Authorization", "")))
        page = self.server.web.pages.get(self.path)
        fault = page.fault(wanted) if page else "404"
        if page is None or (fault or "").isdigit():
            self.send_error(int(fault or 404))
        elif page.location:
            self.send_response(302)
            self.send_header("Location", page.location)
            self.end_headers()
        else:
            self.send_page(page, wanted, fault)

    def send_page(self, page: Page, wanted: str, fault: str | None) -> None:
        fresh = self.headers.get("If-Range", page.etag) == page.etag
        data, status, total = page.data, 200, len(page.data)
        if wanted and page.ranges and fresh:
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            data, status = data[int(start) : int(end) + 1], 206 if data else 416
        if fault == "flip":
            data = bytes([data[0] ^ 1]) + data[1:]
        self.send_response(status)
        if status != 200:
            first = wanted.removeprefix("bytes=") if status == 206 else "*"
            self.send_header("Content-Range", f"bytes {first}/{total}")
        for name, value in (("ETag", page.etag), ("Link", page.link)):
            if value:
                self.send_header(name, value)
        if page.length:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def serve(certificate: Path | None = None) -> Iterator[Web]:
    """Run a server on loopback; with a certificate it speaks TLS."""
    server = _Server(("127.0.0.1", 0), _Handler)
    port = server.server_address[1]
    server.web = Web(f"https://localhost:{port}" if certificate else f"http://127.0.0.1:{port}")
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_certificate(folder: Path, name: str = "localhost") -> Path:
    """A file with key and self-signed certificate of the host ``name``, made by the openssl command."""
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
