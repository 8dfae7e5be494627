"""A real Prometheus Pushgateway on loopback (Debian's package, ci/setup-system)."""

import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

START_LIMIT_S = 30.0
LINE = re.compile(r"(\w+)\{([^}]*)\} (\S+)")


@contextmanager
def serve() -> Iterator[str]:
    """Run one and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    in_memory = "--persistence.file="  # Debian's default is the file of the machine's own service
    command = ["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}", in_memory]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def metrics(uri: str) -> dict[str, tuple[dict[str, str], float]]:
    """What a scrape finds of ours: metric -> its labels and its value."""
    with urllib.request.urlopen(f"{uri}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = {}
    for name, labels, value in LINE.findall(text):
        if name.startswith("loraruner_"):
            found[name] = (dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value))
    return found


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
