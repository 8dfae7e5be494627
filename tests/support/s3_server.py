"""A real S3 server for the slow tests, and a faulty proxy before it: fixtures that conftest modules import."""

import importlib.util
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from loraruner import settings
from loraruner.faults import proxy as proxy_module
from loraruner.faults.proxy import Proxy
from loraruner.stores import open_store, s3_client
from loraruner.stores.s3 import S3Store

OpenS3 = Callable[..., S3Store]


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
        assert store._client  # made now: later the environment may be another one
        return store

    return opened


@pytest.fixture
def proxy(endpoint: str) -> Iterator[Proxy]:
    """A proxy before the server; give its ``endpoint`` to ``open_s3``."""
    with proxy_module.serve(endpoint) as running:
        yield running


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Downloads in parts of 1 MiB, so that small objects have many."""
    monkeypatch.setattr(s3_client, "DEFAULT", replace(s3_client.DEFAULT, range_bytes=1 << 20))
    return 1 << 20
