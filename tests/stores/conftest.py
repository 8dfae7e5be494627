"""A real S3 server for the slow tests, one for all of them, and pauses that don't hold tests up."""

import importlib.util
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from loraruner import settings
from loraruner.stores import open_store, retry
from loraruner.stores.s3 import S3Store
from tests.support import faulty_proxy, web_server
from tests.support.faulty_proxy import Proxy

OpenS3 = Callable[..., S3Store]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of ``localhost`` in one file."""
    return web_server.make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def seaweedfs() -> ModuleType:
    """The module ``ci/seaweedfs.py``."""
    path = Path(__file__).parents[2] / "ci/seaweedfs.py"
    spec = importlib.util.spec_from_file_location("seaweedfs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def endpoint(seaweedfs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running S3 server."""
    with seaweedfs.serve(tmp_path_factory.mktemp("seaweedfs")) as url:
        yield url


@pytest.fixture(scope="session")
def bucket(endpoint: str, seaweedfs: ModuleType) -> str:
    """One bucket for all tests; each has a folder of its own there."""
    seaweedfs.create_bucket(endpoint, "loras")
    return "loras"


@pytest.fixture
def open_s3(bucket: str, endpoint: str, seaweedfs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> OpenS3:
    """Opens a path of the test's own folder; ``via`` names another endpoint (a proxy)."""
    folder = secrets.token_hex(4)

    def opened(path: str = "root", *, via: str = endpoint) -> S3Store:
        for name, value in seaweedfs.environment(via).items():
            monkeypatch.setenv(name, value)
        store = open_store(f"s3://{bucket}/{folder}/{path}", settings.load())
        assert isinstance(store, S3Store)
        assert store._client and store._single_try  # made now: later the environment may be another one
        return store

    return opened


@pytest.fixture
def proxy(endpoint: str) -> Iterator[Proxy]:
    """A proxy before the server; give its ``endpoint`` to ``open_s3``."""
    with faulty_proxy.serve(endpoint) as running:
        yield running


@pytest.fixture
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads fetch one part after the other, so that it is known which ones a break leaves."""
    monkeypatch.setattr("loraruner.stores.ranged.NUM_WORKERS", 1)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Downloads in parts of 1 MiB, so that small objects have many."""
    monkeypatch.setattr("loraruner.stores.s3.PART_BYTES", 1 << 20)
    return 1 << 20
