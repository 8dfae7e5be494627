"""A real OCI registry on loopback, and the built image in it."""

import http.client
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.containers_run import ENVIRONMENT, told

START_LIMIT_S = 30
CONFIGURATION = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextmanager
def registry(folder: Path, port: int) -> Iterator[str]:
    """Debian's docker-registry with its data in ``folder``; yields HOST:PORT."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yml"
    config.write_text(CONFIGURATION.format(folder=folder / "data", port=port))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        _wait(port, folder / "registry.log")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/v2/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)  # not yet
        finally:
            connection.close()
    raise AssertionError(f"docker-registry did not start: {log.read_text()[-2000:]}")


def push(image: str, host: str, folder: Path) -> tuple[str, str]:
    """Push an image and pull it again by digest; returns repository and ``sha256:...``."""
    repository = f"{host}/ml/loraruner"
    named = folder / "digest"
    told("push", "--quiet", "--tls-verify=false", "--digestfile", str(named), image, f"docker://{repository}:pushed")
    digest = named.read_text().strip()
    told("pull", "--quiet", "--tls-verify=false", f"{repository}@{digest}")
    return repository, digest
