"""A stand-in for Artifactory on loopback: files by digest, properties, build-info, promotion, and a log of requests.

It refuses what breaks the shapes of the documented API: digests that the bytes don't have (409), files in unknown
repositories (404), a build-info outside its schema (400), wrong media types (415). Packages and images are passed on
to real servers behind it (tests.support.artifactory_front). A real Artifactory was never asked.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

from tests.support.build_info_schema import BUILD_INFO, PROMOTION

BUILD_TYPE = "application/vnd.org.jfrog.artifactory+json"
PROMOTION_TYPE = "application/vnd.org.jfrog.artifactory.build.PromotionRequest+json"
DIGESTS = {"X-Checksum-Sha1": "sha1", "X-Checksum-Md5": "md5", "X-Checksum-Sha256": "sha256"}


class Seen(NamedTuple):
    """One request and how it was answered."""

    method: str
    path: str
    status: int
    body_bytes: int

    @property
    def writes(self) -> bool:
        """Whether it changed something, or tried to."""
        return self.method not in ("GET", "HEAD")


class Reply(NamedTuple):
    """An answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012


@dataclass
class Fault:
    """The next ``times`` requests whose line ``METHOD /path`` matches get ``status``, after ``hit`` was called.

    ``late``: what was asked for is done before that, as when an answer is lost.
    """

    line: str
    status: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=lambda: {"Retry-After": "0"})
    hit: Callable[[], None] = lambda: None
    late: bool = False


@dataclass
class Artifactory:
    """All that the server knows. ``spoil`` matches lines of requests whose bytes arrive changed."""

    url: str
    user: str
    token: str
    generic: tuple[str, ...]
    behind: Callable[["Artifactory", "Handler", bytes], Reply | None]
    blobs: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    properties: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    builds: dict[str, dict[str, Any]] = field(default_factory=dict)
    promotions: list[dict[str, Any]] = field(default_factory=list)
    log: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    spoil: str = "$^"

    def fault(self, line: str) -> Fault | None:
        """The fault that is meant for a request, used up once."""
        for each in self.faults:
            if each.times > 0 and re.search(each.line, line):
                each.times -= 1
                return each
        return None

    def writes(self) -> list[str]:
        """The lines of all requests until now that could change something."""
        return [f"{each.method} {each.path}" for each in self.log if each.writes]

    def put(self, place: str, data: bytes) -> str:
        """Store a file; its SHA-256."""
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        self.files[place] = digest
        return digest


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        """Answer any method."""
        state, length = self.server.state, self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else self._chunks()
        line = f"{self.command} {self.path}"
        fault = state.fault(line)
        if fault is None or fault.late:
            reply = state.behind(state, self, body) or answer(state, self, body)
        if fault is not None:
            fault.hit()
            reply = Reply(fault.status, b"injected", fault.headers)
        state.log.append(Seen(self.command, self.path, reply.status, len(body)))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_GET

    def _chunks(self) -> bytes:
        """A body that comes in chunks, as that of a layer does."""
        data = b""
        while "chunked" in self.headers.get("Transfer-Encoding", ""):
            size = int(self.rfile.readline(), 16)
            data += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                break
        return data

    def is_known(self) -> bool:
        """Whether the request logs in as the one account."""
        pair = f"{self.server.state.user}:{self.server.state.token}".encode()
        return self.headers.get("Authorization", "") == f"Basic {base64.b64encode(pair).decode()}"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def answer(state: Artifactory, request: Handler, body: bytes) -> Reply:
    """What Artifactory's own API answers."""
    if not request.is_known():
        return Reply(401, b'{"errors": [{"status": 401, "message": "Bad credentials"}]}')
    parts = urlsplit(request.path)
    if not parts.path.startswith("/artifactory/"):
        return Reply(404)
    path = parts.path.removeprefix("/artifactory/")
    if path.startswith("api/storage/"):
        return storage(state, request, unquote(path.removeprefix("api/storage/")), parts.query)
    if path.startswith("api/build/promote/") and request.command == "POST":
        return promote(state, request, unquote(path.removeprefix("api/build/promote/")), body)
    if path == "api/build" and request.command == "PUT":
        return put_build(state, request, body)
    if path.startswith("api/build/"):
        found = state.builds.get(unquote(path.removeprefix("api/build/")))
        return _json(200, {"uri": state.url, "buildInfo": found}) if found else Reply(404)
    return deploy(state, request, path, body) if request.command == "PUT" else download(state, path)


def download(state: Artifactory, path: str) -> Reply:
    """GET of a file."""
    digest = state.files.get(unquote(path), "")
    return Reply(200, state.blobs[digest], {"X-Checksum-Sha256": digest}) if digest in state.blobs else Reply(404)


def deploy(state: Artifactory, request: Handler, path: str, body: bytes) -> Reply:
    """PUT of a file, by its bytes or by its digests."""
    place, *matrix = path.split(";")
    place = unquote(place)
    if place.partition("/")[0] not in state.generic:
        return Reply(404, b"no such repository")
    wanted = {kind: request.headers[name] for name, kind in DIGESTS.items() if name in request.headers}
    if request.headers.get("X-Checksum-Deploy") == "true":
        known = [data for data in state.blobs.values() if _has(data, wanted)]
        if body or not known:
            return Reply(404, b"no file with these digests is known")
        body = known[0]
    if re.search(state.spoil, f"PUT {request.path}"):
        body = body[:-1] + bytes([body[-1] ^ 1])
    if not _has(body, wanted):
        return Reply(409, b'{"errors": [{"status": 409, "message": "Checksum error: received others"}]}')
    digest = state.put(place, body)
    pairs = [each.partition("=") for each in matrix]
    state.properties[place] = {unquote(name): [unquote(value)] for name, _, value in pairs}
    return _json(201, {"repo": place.partition("/")[0], "checksums": {"sha256": digest}})


def storage(state: Artifactory, request: Handler, place: str, query: str) -> Reply:
    """State and properties of a file."""
    if place not in state.files:
        return Reply(404)
    if request.command == "PUT":
        listed = parse_qs(query)["properties"][0]
        state.properties.setdefault(place, {}).update(
            {name: [value] for name, _, value in (each.partition("=") for each in listed.split(";"))}
        )
        return Reply(204)
    if "properties" in query:
        found = state.properties.get(place)
        return _json(200, {"uri": place, "properties": found}) if found else Reply(404)
    digest = state.files[place]
    checksums = {kind: _digest(kind, state.blobs[digest]) for kind in DIGESTS.values()} if digest in state.blobs else {}
    return _json(200, {"path": place, "checksums": {**checksums, "sha256": digest}})


def put_build(state: Artifactory, request: Handler, body: bytes) -> Reply:
    """PUT of a build-info."""
    if request.headers.get("Content-Type") != BUILD_TYPE:
        return Reply(415)
    document = json.loads(body)
    try:
        jsonschema.validate(document, BUILD_INFO)
    except jsonschema.ValidationError as error:
        return Reply(400, error.message.encode())
    state.builds[f"{document['name']}/{document['number']}"] = document
    return Reply(204)


def promote(state: Artifactory, request: Handler, build: str, body: bytes) -> Reply:
    """POST of a promotion: the build's files of one repository are copied into another."""
    if request.headers.get("Content-Type") != PROMOTION_TYPE:
        return Reply(415)
    document, found = json.loads(body), state.builds.get(build)
    try:
        jsonschema.validate(document, PROMOTION)
    except jsonschema.ValidationError as error:
        return Reply(400, error.message.encode())
    if found is None or document["targetRepo"] not in state.generic:
        return Reply(404)
    name, _, number = build.partition("/")
    for place, tied in list(state.properties.items()):
        repository, _, path = place.partition("/")
        if repository == document["sourceRepo"] and (tied["build.name"], tied["build.number"]) == ([name], [number]):
            state.files[f"{document['targetRepo']}/{path}"] = state.files[place]
    state.promotions.append(document)
    return _json(200, {"messages": []})


def _digest(kind: str, data: bytes) -> str:
    return hashlib.new(kind, data, usedforsecurity=False).hexdigest()


def _has(data: bytes, wanted: dict[str, str]) -> bool:
    return all(_digest(kind, data) == digest for kind, digest in wanted.items())


def _json(status: int, document: Any) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: Artifactory

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may leave in the middle."""


Behind = Callable[[Artifactory, Handler, bytes], Reply | None]


@contextmanager
def artifactory(generic: tuple[str, ...], behind: Behind, *, user: str, token: str) -> Iterator[Artifactory]:
    """A server with these generic repositories, until the block ends; ``behind`` is asked first."""
    with _Server(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/artifactory"
        server.state = Artifactory(url, user, token, generic, behind)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.state
        finally:
            server.shutdown()
            thread.join()
