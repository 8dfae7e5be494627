"""Prism (``make setup-prism``): holds requests, and a stand-in's answers, against an OpenAPI document."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

FOUND = Path(sys.prefix, "tools", "prism", "node_modules", ".bin", "prism")
PRISM = FOUND if FOUND.exists() else Path("/run-make-setup-prism-to-get/prism")
START_S = 60.0


@dataclass
class Judged:
    """A running Prism: its address, and what it says."""

    url: str
    log: Path

    def violations(self) -> list[str]:
        """What was wrong with requests and answers until now, from the log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "Violation:" in line]


@contextmanager
def proxy(document: Path, upstream: str) -> Iterator[Judged]:
    """Prism before ``upstream``: 422 for a request that the document refuses, 500 for such an answer."""
    with _run("proxy", document, upstream, "--errors") as judged:
        yield judged


@contextmanager
def mock(document: Path) -> Iterator[Judged]:
    """Prism in place of the service: it answers with the document's examples, and 422."""
    with _run("mock", document) as judged:
        yield judged


def readable(document: Path, folder: Path) -> Path:
    """A copy of the document that Prism can hold forms against.

    Prism reads every part of a form as one text, so that it refuses each form with a list of files; in the copy a part
    may be anything, and all of them are required.
    """
    told: dict[str, Any] = json.loads(document.read_text())
    for operation in (each for path in told["paths"].values() for each in path.values() if isinstance(each, dict)):
        form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {})
        if parts := form.get("schema", {}).get("properties"):
            form["schema"] = {"type": "object", "required": sorted(parts), "properties": {name: {} for name in parts}}
    copy = folder / document.name
    copy.write_text(json.dumps(told))
    return copy


def satisfiable(vendors: Path, folder: Path) -> Path:
    """A copy of Smartsheet's document in which a sheet can be a good answer.

    The original wants exactly one of a sheet and of an object that may have a version, and every sheet is both.
    """
    told = json.loads(vendors.read_text())
    answer = told["paths"]["/sheets/{sheetId}"]["get"]["responses"]["200"]["content"]["application/json"]
    answer["schema"]["oneOf"][1]["not"] = {"required": ["columns"]}
    copy = folder / vendors.name
    copy.write_text(json.dumps(told))
    return copy


@contextmanager
def _run(command: str, *arguments: object) -> Iterator[Judged]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = _start([str(PRISM), command, *map(str, arguments), "-p", str(port), "-h", "127.0.0.1"], log)
        judged = Judged(f"http://127.0.0.1:{port}", Path(log.name))
        try:
            _wait(process, port, judged.log)
            yield judged
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _start(command: list[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "0", "HOME": tempfile.gettempdir()}
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"Prism did not start: {log.read_text(errors='replace')[-2000:]}")
