"""The rules of tests/conftest.py hold: no home, no accounts, no network, no shared folders."""

import os
import socket
from pathlib import Path

import pytest

from loraruner import settings


def test_no_home_and_no_accounts() -> None:
    """A test sees neither the user's home nor any credential of theirs."""
    assert not Path.home().exists()
    assert [name for name in settings.SECRET_VARIABLES if name in os.environ] == []


def test_cache_and_workspace_are_this_tests_own(tmp_path: Path) -> None:
    """The runner's folders lie below the test's temporary folder."""
    loaded = settings.load(os.environ)
    assert tmp_path in loaded.cache.parents
    assert tmp_path in loaded.workdir.parents


def test_other_machines_are_out_of_reach() -> None:
    """A connection beyond loopback fails the test; 192.0.2.1 is reserved for examples."""
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match="only loopback"):
        client.connect(("192.0.2.1", 80))
