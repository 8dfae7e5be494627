"""A small receiver of loraruner's webhook events: it checks signatures and keeps what came.

As a program, ``LORARUNER_WEBHOOK_SECRET=... python examples/loop/webhook_receiver.py --port 8403`` prints one line an
event. As a module, ``WebhookReceiver`` is a context manager that tests and the demonstration read:

    with WebhookReceiver(secret="...") as receiver:
        ...  # LORARUNER_WEBHOOK_URL=receiver.url
        print([event["event"] for event in receiver.events])
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_AGE_S = 300.0  # an older event may be a recording that somebody plays again
MAX_BYTES = 2 << 20


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Whether the body was signed with ``secret``, not long ago. Compare in constant time, over the bytes that came."""
    timestamp, signature = headers.get("X-Loraruner-Timestamp", ""), headers.get("X-Loraruner-Signature", "")
    if not timestamp.isdigit() or abs(now_s - int(timestamp)) > MAX_AGE_S:
        return False
    made = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature, f"sha256={made}")


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    headers: Mapping[str, str]
    body: bytes
    verified: bool

    @property
    def document(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


class WebhookReceiver:
    """Keeps requests; an ``Idempotency-Key`` that came before is no new event. ``url`` is where to send to."""

    def __init__(self, secret: str | None = None, port: int = 0) -> None:
        self.secret = secret
        self.requests: list[Request] = []
        self.events: list[Any] = []  # the JSON of each new event, verified where there is a secret
        self.answers: list[tuple[int, Mapping[str, str], Any]] = []  # (status, headers, JSON) of the next requests
        self.hold: threading.Event | None = None  # requests wait for it before they are answered
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/events"

    def __enter__(self) -> WebhookReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.hold:
            self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, status: int, document: Any = None, *, times: int = 1, **headers: str) -> None:
        """The next requests are answered so, and their events are not kept: ``answer(429, Retry_After="1")``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers += [(status, named, document)] * times

    def take(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], Any]:
        """Keep a request and say what to answer."""
        verified = bool(self.secret) and verify(self.secret or "", headers, body, time.time())
        with self._lock:
            self.requests.append(Request(headers, body, verified))
            if self.answers:
                return self.answers.pop(0)
            if self.secret and not verified:
                return 401, {}, {"error": "the signature is not ours"}
            key = headers.get("Idempotency-Key", "")
            if key not in self._seen or not key:
                self._seen.add(key)
                self.events.append(json.loads(body))
            return 200, {}, {"ok": True}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: WebhookReceiver

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may leave in the middle: nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BYTES:
            self.send_error(413)
            return
        body = self.rfile.read(length)
        if receiver.hold:
            receiver.hold.wait()
        status, headers, document = receiver.take(dict(self.headers), body)
        data = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def main() -> None:
    """Print one line an event until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0)
    with WebhookReceiver(os.environ.get("LORARUNER_WEBHOOK_SECRET"), parser.parse_args().port) as receiver:
        print(f"LORARUNER_WEBHOOK_URL={receiver.url}", flush=True)
        shown = 0
        while True:
            time.sleep(0.2)
            for event in receiver.events[shown:]:
                print(json.dumps(event), flush=True)
                shown += 1


if __name__ == "__main__":
    main()
