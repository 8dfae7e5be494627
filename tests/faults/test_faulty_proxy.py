"""The proxy does what a fault's name says, and nothing to other requests."""

import http.client
import threading
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from loraruner.faults import proxy as proxy_module
from loraruner.faults.answers import WRONG_SHA256
from loraruner.faults.kinds import KINDS, Draw
from loraruner.faults.proxy import Proxy, Seen

BODY = b"0123456789"


class Upstream(BaseHTTPRequestHandler):
    """Answers every request with ten bytes, and keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    bodies: ClassVar[list[bytes]] = []

    def answer(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.send_response(200)
        self.send_header("ETag", '"true"')
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(BODY[:-1] + str(len(self.bodies) % 10).encode())

    do_GET = do_PUT = do_HEAD = answer

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def before() -> Iterator[Proxy]:
    """A proxy before that server."""
    Upstream.bodies = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    with proxy_module.serve(f"http://127.0.0.1:{server.server_address[1]}") as running:
        yield running
    server.shutdown()
    server.server_close()


def ask(
    running: Proxy, method: str = "GET", path: str = "/bucket/key", body: bytes = b"", timeout_s: float = 5.0
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(urlsplit(running.endpoint).netloc, timeout=timeout_s)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def planted(running: Proxy, fault: str, **request: object) -> tuple[http.client.HTTPResponse, bytes]:
    running.fault = lambda seen: fault
    return ask(running, **request)  # type: ignore[arg-type]


def test_nothing_is_changed_without_a_fault(before: Proxy) -> None:
    """Status, headers and body are the server's, for GET and HEAD; nothing is counted."""
    answer, body = ask(before)
    assert (answer.status, answer.headers["ETag"], body) == (200, '"true"', BODY[:-1] + b"1")
    answer, body = ask(before, "HEAD")
    assert (answer.status, answer.headers["Content-Length"], body) == (200, "10", b"")
    assert (before.num_injected, len(before.seen)) == (0, 2)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("500", 500, b"InternalError"),
        ("503", 503, b"SlowDown"),
        ("503-later", 503, b"SlowDown"),
        ("429", 429, b"TooManyRequests"),
        ("412", 412, b"PreconditionFailed"),
        ("expired", 403, b"ExpiredToken"),
        ("skewed", 403, b"RequestTimeTooSkewed"),
        ("failed-200", 200, b"InternalError"),
    ],
)
def test_refusals(before: Proxy, fault: str, status: int, code: bytes) -> None:
    """The client gets an S3 error document, and the server was not asked."""
    answer, body = planted(before, fault)
    assert (answer.status, code in body, Upstream.bodies, before.num_injected) == (status, True, [], 1)


def test_headers_of_refusals(before: Proxy) -> None:
    """A busy store may say for how long, or carry a checksum of something else."""
    assert planted(before, "503-later")[0].headers["Retry-After"] == "1"
    assert planted(before, "503-checksum")[0].headers["x-amz-checksum-sha256"] == WRONG_SHA256


@pytest.mark.parametrize(("fault", "got"), [("shortened", BODY[:5]), ("chunked", BODY[:5]), ("flip", b"01234\x346789")])
def test_wrong_bodies_that_look_right(before: Proxy, fault: str, got: bytes) -> None:
    """Half a body with its own length or in chunks, and a flipped bit, arrive without any error."""
    answer, body = planted(before, fault)
    assert (answer.status, body[:9]) == (200, got[:9])


@pytest.mark.parametrize("fault", ["cut", "broken", "reset", "stall"])
def test_broken_connections(before: Proxy, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut body, a reset before or in an answer and a silence end in the client's own errors."""
    monkeypatch.setattr(proxy_module, "STALL_S", 0.05)
    with pytest.raises((http.client.HTTPException, OSError)):
        planted(before, fault)


def test_changed_headers(before: Proxy) -> None:
    """Another ETag, a wrong checksum and a Date that is hours ahead, around the right body."""
    true = parsedate_to_datetime(ask(before)[0].headers["Date"])
    assert planted(before, "etag")[0].headers["ETag"] != '"true"'
    assert planted(before, "checksum")[0].headers["x-amz-checksum-sha256"] == WRONG_SHA256
    late = parsedate_to_datetime(planted(before, "date")[0].headers["Date"])
    assert (late - true).total_seconds() > 5 * 3600


def test_what_happens_to_writes(before: Proxy) -> None:
    """A lost answer and a failing success come after the write; ``twice`` writes again; a flip reaches the server."""
    for fault, status in (("lost", 503), ("error-200", 200)):
        assert planted(before, fault, method="PUT", body=b"data")[0].status == status
    assert planted(before, "twice", method="PUT", body=b"data")[1][-1:] == b"4"
    planted(before, "flip-sent", method="PUT", body=b"data")
    assert Upstream.bodies == [b"data"] * 4 + [b"daua"]


def test_a_stale_list(before: Proxy) -> None:
    """The first answer to a LIST is given again; where there is none, the true one."""
    path = "/bucket?list-type=2&prefix=a"
    assert planted(before, "stale", path=path)[1][-1:] == b"1"
    before.fault = lambda seen: None
    assert ask(before, path=path)[1][-1:] == b"2"
    assert planted(before, "stale", path=path)[1][-1:] == b"1"
    assert before.num_injected == 1


def test_a_server_that_is_gone() -> None:
    """The client gets a 502."""
    with proxy_module.serve("http://127.0.0.1:9") as running:
        assert ask(running)[0].status == 502


def drawn(rate: float, seed: int, number: int = 4000) -> list[bool]:
    draw = Draw(KINDS[0], rate, seed, num_injected=lambda: 1)
    return [draw(Seen("PUT", f"/b/loraruner-selftest-{seed:x}/{index}", {})) is not None for index in range(number)]


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3])
def test_the_share_that_is_drawn(rate: float) -> None:
    """As many requests meet a fault as the rate says, and others with another seed."""
    share = sum(drawn(rate, 1)) / 4000
    assert 0.6 * rate < share < 1.4 * rate
    assert drawn(rate, 1) == drawn(rate, 1) != drawn(rate, 2)


def test_one_fault_at_least() -> None:
    """Even at a rate of nought one of the first requests meets one; requests that the kind cannot meet never do."""
    for kind in KINDS:
        num_injected = 0
        draw = Draw(kind, 0.0, 3, num_injected=lambda: num_injected)  # noqa: B023
        requests = [
            Seen(method, path, {"if-match": '"x"'})
            for method, path in (
                ("GET", "/b/k"),
                ("PUT", "/b/k"),
                ("POST", "/b/k?uploadId=1"),
                ("GET", "/b?list-type=2"),
            )
        ]
        for seen in requests * 12:
            if draw(seen) is not None:
                assert kind.meets(seen)
                num_injected += 1
        assert num_injected == 1
