"""A real S3 server for the slow tests, and pauses that don't hold tests up."""

from pathlib import Path

import pytest

from loraruner.stores import retry
from tests.support import web_server
from tests.support.s3_server import bucket, endpoint, open_s3, proxy, seaweedfs, small_parts

__all__ = ["bucket", "endpoint", "open_s3", "proxy", "seaweedfs", "small_parts"]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of ``localhost`` in one file."""
    return web_server.make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads fetch one part after the other, so that it is known which ones a break leaves."""
    monkeypatch.setattr("loraruner.stores.ranged.NUM_WORKERS", 1)
