"""Every test runs offline, without the user's home, accounts or caches; the rules reach subprocesses too."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

LOOPBACK = ("127.", "::1", "localhost")
FOREIGN = ("AWS_", "LORARUNER_", "HF_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "XDG_")
ENVIRONMENT = {
    "HOME": "/dev/null/home",  # no one can create it, not even root
    "AWS_EC2_METADATA_DISABLED": "true",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
}

# At import, not in a fixture: torch reads its threads and the hub its switches once, when they are imported.
for name in [name for name in os.environ if name.upper().startswith(FOREIGN) and name != "LORARUNER_TEST_IMAGE"]:
    del os.environ[name]
os.environ.update(ENVIRONMENT)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache and workspace of this test alone."""
    monkeypatch.setenv("LORARUNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LORARUNER_WORKDIR", str(tmp_path / "work"))


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to any other machine fails the test that tried it."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            pytest.fail(f"a test tried to reach {address!r}; only loopback is allowed")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Stable Diffusion 1.x folder that all tests share; none may change it."""
    from tests.support.tiny_sd import write_tiny_base

    folder = tmp_path_factory.mktemp("base") / "tiny-base"
    write_tiny_base(folder)
    return folder
