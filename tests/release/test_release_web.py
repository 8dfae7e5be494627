"""The HTTP client of a release, against servers on loopback that lie, echo, break off and lead astray."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ci.releasing import web
from ci.releasing.artifactory import told
from ci.releasing.settings import Account
from ci.releasing.web import Web
from loraruner.errors import IntegrityError, TemporaryFailure

TOKEN = "a-token-that-must-not-show"
SEEN: list[tuple[int, str, str]] = []  # port, path, login


class Liar(BaseHTTPRequestHandler):
    """Answers as the first part of the path says; what follows is where it leads."""

    def do_GET(self) -> None:
        """Any request."""
        login = self.headers.get("Authorization", "")
        assert isinstance(self.server, ThreadingHTTPServer)
        SEEN.append((self.server.server_port, self.path, login))
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "to":
            self.send_response(302)
            self.send_header("Location", rest)
            self.end_headers()
            return
        body = f"no: {login} {TOKEN}".encode() if kind == "echo" else b"x" * 64
        self.send_response(400 if kind == "echo" else 200)
        self.send_header("Content-Length", str(len(body) + 5 * (kind == "short")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def servers() -> Iterator[tuple[str, str]]:
    """Two servers; the first is one of ours."""
    SEEN.clear()
    both = [ThreadingHTTPServer(("127.0.0.1", 0), Liar) for _ in range(2)]
    for each in both:
        threading.Thread(target=each.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{both[0].server_port}", f"http://127.0.0.1:{both[1].server_port}"
    for each in both:
        each.shutdown()
        each.server_close()


def client(ours: str) -> Web:
    """A client that is at home at ``ours`` and never waits."""
    return Web(Account("releaser", TOKEN), [ours], pause=lambda seconds: None)


def test_the_login_stays_at_its_own_hosts(servers: tuple[str, str]) -> None:
    """Neither a redirect to another host nor an address of one carries the login there."""
    ours, theirs = servers
    assert client(ours).ask("GET", f"{ours}/to/{theirs}/x").status == 200
    assert client(ours).ask("GET", f"{theirs}/y").status == 200
    assert [(path, bool(login)) for _, path, login in SEEN] == [(f"/to/{theirs}/x", True), ("/x", False), ("/y", False)]


@pytest.mark.parametrize(
    "target", ["http://storage.example.com/x", "ftp://storage.example.com/x", "file:///etc/passwd"]
)
def test_only_https_is_believed(servers: tuple[str, str], target: str) -> None:
    """A server that leads to an address without TLS, or to a file, is not followed there."""
    ours, _ = servers
    with pytest.raises(IntegrityError, match="only https is believed"):
        client(ours).ask("GET", target)
    if target.startswith("file:"):  # to which Python follows nobody
        assert client(ours).ask("GET", f"{ours}/to/{target}").status == 302
        return
    with pytest.raises(IntegrityError, match="only https is believed"):
        client(ours).ask("GET", f"{ours}/to/{target}")


def test_an_answer_that_breaks_off_is_asked_for_again(servers: tuple[str, str]) -> None:
    """Fewer bytes than were announced are no answer: asked five times, then 75."""
    ours, _ = servers
    with pytest.raises(TemporaryFailure, match="IncompleteRead"):
        client(ours).ask("GET", f"{ours}/short")
    assert len(SEEN) == 5


def test_a_huge_answer_is_refused(servers: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer beyond the limit is 74 and not a part of it taken for the whole."""
    ours, _ = servers
    monkeypatch.setattr(web, "MAX_ANSWER_BYTES", 63)
    with pytest.raises(IntegrityError, match="larger than 63 bytes"):
        client(ours).ask("GET", f"{ours}/x")


def test_an_echoed_login_is_struck_out(servers: tuple[str, str]) -> None:
    """A refusal that repeats what it was sent is told without the token, plain or as HTTP sends it."""
    ours, _ = servers
    assert told(client(ours).ask("GET", f"{ours}/echo")) == "400 no: Basic *** ***"


def test_no_proxy_sees_what_stays_here(servers: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The login to a server on loopback, which travels as it is, goes to no proxy."""
    ours, proxy = servers
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    assert client(ours).ask("GET", f"{ours}/x").status == 200
    assert [port for port, _, _ in SEEN] == [int(ours.rpartition(":")[2])]
