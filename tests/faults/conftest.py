"""The real S3 server and the faulty proxy before it, with pauses that don't hold tests up."""

import pytest

from loraruner.stores import retry
from tests.support.s3_server import bucket, endpoint, open_s3, proxy, seaweedfs

__all__ = ["bucket", "endpoint", "open_s3", "proxy", "seaweedfs"]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_PAUSE_S", "LONGEST_PAUSE_S", "LONGEST_WAIT_S"):
        monkeypatch.setattr(retry, name, 0.001)
