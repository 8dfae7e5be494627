"""Package and image repositories of the Artifactory stand-in: real pypiserver and docker-registry behind it."""

import base64
import hashlib
import http.client
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.artifactory import Artifactory, Handler, Reply

START_LIMIT_S = 60.0
PYPI = re.compile(r"^/artifactory/api/pypi/([^/]+)(/.*)$")
TAGGED = re.compile(r"^/v2/(.+)/manifests/([^/:]+)$")
HOP_BY_HOP = ("connection", "transfer-encoding", "keep-alive", "server", "date")


@dataclass(frozen=True)
class Behind:
    """Ports of the servers: an index for each package repository, one registry; and where they keep things."""

    indexes: Mapping[str, int]
    registry: int
    folder: Path

    def __call__(self, state: Artifactory, request: Handler, body: bytes) -> Reply | None:
        """Pass a request on that is for one of them."""
        path = urlsplit(request.path).path
        package = PYPI.match(path)
        if package:
            return self._index(state, request, body, package)
        if not path.startswith("/v2/"):
            return None
        if not request.is_known():
            return Reply(401, b"", {"WWW-Authenticate": 'Basic realm="stand-in"'})
        reply = passed_on(self.registry, request, request.path, body)
        tagged = TAGGED.match(path)
        if tagged and request.command == "PUT" and reply.status == 201:
            state.put(f"{tagged[1]}/{tagged[2]}/manifest.json", body)
        return reply

    def _index(self, state: Artifactory, request: Handler, body: bytes, path: re.Match[str]) -> Reply:
        key, rest = path[1], path[2]
        if key not in self.indexes:
            return Reply(404)
        reply = passed_on(self.indexes[key], request, rest, body)
        if request.command == "POST" and reply.status == 200:
            fields = {name: _field(name, body) for name in ("name", "version", "sha256_digest")}
            file = re.search(rb'filename="([^"]+)"', body)
            assert file is not None
            state.files[f"{key}/{fields['name']}/{fields['version']}/{file[1].decode()}"] = fields["sha256_digest"]
        page = reply.body.replace(b'href="/packages/', f'href="/artifactory/api/pypi/{key}/packages/'.encode())
        headers = {name: value for name, value in reply.headers.items() if name.lower() != "content-length"}
        return Reply(reply.status, page if rest.startswith("/simple/") else reply.body, headers)

    def empty(self) -> None:
        """Forget every package and image."""
        for each in self.folder.glob("*/data"):
            shutil.rmtree(each)
            each.mkdir()


def _field(name: str, body: bytes) -> str:
    """A field of a form with several parts."""
    found = re.search(rf'name="{name}"\r\n\r\n([^\r]*)\r\n'.encode(), body)
    return found[1].decode() if found else ""


def passed_on(port: int, request: Handler, path: str, body: bytes) -> Reply:
    """What the server at a port answers to the same request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        # The Host stays that of the client, as servers build addresses from it.
        names = [name for name in request.headers if name.lower() not in HOP_BY_HOP]
        headers = {name: ", ".join(request.headers.get_all(name, [])) for name in names}
        if "Transfer-Encoding" in request.headers:
            headers["Content-Length"] = str(len(body))
        connection.request(request.command, path, body=body or None, headers=headers)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        return Reply(answer.status, answer.read(), kept)
    finally:
        connection.close()


@contextmanager
def servers(folder: Path, keys: tuple[str, ...], user: str, token: str) -> Iterator[Behind]:
    """A pypiserver for each key and one docker-registry, until the block ends."""
    password = base64.b64encode(hashlib.sha1(token.encode()).digest()).decode()
    with ExitStack() as stack:
        indexes = {}
        for key in keys:
            for name in ("data", "others"):
                (folder / key / name).mkdir(parents=True)
            (folder / key / "htpasswd").write_text(f"{user}:{{SHA}}{password}\n")
            indexes[key] = stack.enter_context(running(folder / key, pypiserver))
        (folder / "registry/data").mkdir(parents=True)
        yield Behind(indexes, stack.enter_context(running(folder / "registry", docker_registry)), folder)


def pypiserver(folder: Path, port: int) -> list[str]:
    """Whoever logs in may upload, everybody may download; in ``others`` lies what others published."""
    server = str(Path(sys.executable).parent / "pypi-server")
    options = ["--passwords", "htpasswd", "--authenticate", "update", "--disable-fallback"]
    return [server, "run", "--interface", "127.0.0.1", "--port", str(port), *options, "data", "others"]


def docker_registry(folder: Path, port: int) -> list[str]:
    """A registry without accounts."""
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n"
    )
    return ["docker-registry", "serve", "config.yml"]


@contextmanager
def running(folder: Path, command: Callable[[Path, int], list[str]]) -> Iterator[int]:
    """The port of a server that was started, and that is killed at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command(folder, port), cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()
