"""The API server as a pod sees it: created once, read back, and every bad answer as an exit code."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from loraruner.clients.kubernetes import Account, Cluster, account
from loraruner.errors import DataInvalid, EnvironmentUnfit, LoraRunerError, NoPermission, TemporaryFailure
from tests.support.api_server import ApiServer, served
from tests.support.json_service import Reply, serve

TOKEN = "secret-token"
JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "demo"}}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with served(ApiServer(looks=[{"job": "", "pods": []}])) as running:
        yield running


def cluster(url: str, **more: Any) -> Cluster:
    return Cluster(Account(url, "ml", TOKEN, **more), sleep=lambda pause_s: None)


def test_created_once_and_read_back(server: ApiServer) -> None:
    """The second creation finds the first, and reading tells what is kept, or that nothing is."""
    mine = cluster(server.url)
    made = mine.create("jobs", JOB)
    assert made and made["metadata"]["uid"] and mine.create("jobs", JOB) is None
    found = mine.read("jobs", "demo")
    assert found and found["metadata"]["namespace"] == "ml" and mine.read("jobs", "other") is None
    assert server.asked[0] == "POST /apis/batch/v1/namespaces/ml/jobs"


def test_the_account_of_a_pod(tmp_path: Path) -> None:
    """Token, certificates and namespace come from the folder, the address from outside."""
    for name, text in {"token": "t\n", "namespace": "ml", "ca.crt": "x"}.items():
        (tmp_path / name).write_text(text)
    assert account("https://10.0.0.1:443/", tmp_path) == Account("https://10.0.0.1:443", "ml", "t", tmp_path / "ca.crt")


@pytest.mark.parametrize("missing", ["token", "namespace", "api"])
def test_outside_of_a_pod(tmp_path: Path, missing: str) -> None:
    """What is missing is named with what to do: 78."""
    for name in {"token", "namespace"} - {missing}:
        (tmp_path / name).write_text("x")
    with pytest.raises(EnvironmentUnfit, match=r"automountServiceAccountToken|KUBERNETES_SERVICE_HOST"):
        account(None if missing == "api" else "https://10.0.0.1", tmp_path)


@pytest.mark.parametrize("text", ["", "two\nlines", "\x00"])
def test_a_token_that_is_none(tmp_path: Path, text: str) -> None:
    """Nothing that could not stand in a header is sent."""
    (tmp_path / "token").write_text(text)
    (tmp_path / "namespace").write_text("ml")
    with pytest.raises(EnvironmentUnfit, match="is empty or no text"):
        account("https://10.0.0.1", tmp_path)


@pytest.mark.parametrize(
    ("reply", "error", "asked"),
    [
        (Reply(401), NoPermission, 1),
        (Reply(403, b'{"message": "jobs is forbidden"}'), NoPermission, 1),
        (Reply(429), TemporaryFailure, 4),
        (Reply(503), TemporaryFailure, 4),
        (Reply(0), TemporaryFailure, 4),
        (Reply(200, b"<html>"), DataInvalid, 1),
        (Reply(200, b"[]"), DataInvalid, 1),
        (Reply(200, b"{}"), DataInvalid, 1),
        (Reply(200, b" " * (5 << 20)), DataInvalid, 1),
    ],
)
def test_bad_answers(reply: Reply, error: type[LoraRunerError], asked: int) -> None:
    """Each is the error it stands for; what may pass is tried four times; the token is in no message."""
    with serve() as service, pytest.raises(error) as caught:
        service.says(reply)
        cluster(service.url).create("jobs", JOB)
    assert len(service.asked) == asked
    assert {name.lower(): text for name, text in service.asked[0].headers.items()}["authorization"].endswith(TOKEN)
    assert TOKEN not in str(caught.value)


def test_a_denied_account_says_what_it_needs() -> None:
    """403 names the rights to give."""
    with serve() as service, pytest.raises(NoPermission, match="bind a Role"):
        service.says(Reply(403))
        cluster(service.url).read("jobs", "x")


def test_nobody_listens() -> None:
    """An API server that is away is 75."""
    with pytest.raises(TemporaryFailure, match="no answer"):
        cluster("http://127.0.0.1:9").read("jobs", "x")


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """No object has any other field here."""
        body = b'{"metadata": {"name": "x"}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = builder.add_extension(names, critical=True).sign(key, hashes.SHA256())
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return folder / "ca.crt", folder / "key.pem"


@pytest.fixture
def secure(certificate: tuple[Path, Path]) -> Iterator[str]:
    """An API server that speaks TLS with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with HTTPServer(("127.0.0.1", 0), _Empty) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_cluster_s_own_certificate(secure: str, certificate: tuple[Path, Path]) -> None:
    """The mounted certificates vouch for the server; without them it is not trusted, and nothing is told it."""
    assert cluster(secure, ca=certificate[0]).read("jobs", "x")
    with pytest.raises(EnvironmentUnfit, match="certificate is not trusted"):
        cluster(secure).read("jobs", "x")
