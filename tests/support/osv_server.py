"""A vulnerability service on loopback that answers as the API of osv.dev does."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Osv:
    """Known vulnerabilities by (package, version), what was asked until now, and the status of every answer."""

    url: str
    known: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    osv: Osv


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pin = (query["package"]["name"], query["version"])
        self.server.osv.asked.append(pin)
        found = self.server.osv.known.get(pin)
        body = json.dumps({"vulns": found} if found else {}).encode()
        self.send_response(self.server.osv.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def osv_service(known: Mapping[tuple[str, str], list[dict[str, Any]]]) -> Iterator[Osv]:
    """Serve ``known`` until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.osv = Osv(f"http://127.0.0.1:{server.server_port}/v1/query", dict(known))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.osv
        finally:
            server.shutdown()
            thread.join()


def vulnerability(identity: str, package: str, *, alias: str, fixed: str | None) -> dict[str, Any]:
    """One entry in OSV's schema."""
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    affected = {
        "package": {"name": package, "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"schema_version": "1.6.0", "id": identity, "aliases": [alias], "summary": "a hole", "affected": [affected]}
