"""What Python itself prints holds no secret."""

import os
import subprocess
import sys

import pytest

from tests.support.user import ROOT

SECRET = "planted/secret+0123456789"
PLACES = {
    "uncaught": "raise RuntimeError(secret) from KeyError(secret)",
    "thread": "thread = threading.Thread(target=lambda: {}[secret]); thread.start(); thread.join()",
    "finaliser": "Bad = type('Bad', (), {'__del__': lambda self: [].index(secret)}); Bad()",
    "warning": "warnings.warn(f'https://ann:{secret}@host')",
    "record": "logging.getLogger('a.library').warning('sent %s', {'Authorization': secret})",
    "record that does not fit": "logging.warning('%d', secret)",
}
CODE = """
import logging, os, threading, warnings
from loraruner.cli import guard
guard.install()
secret = os.environ["HF_TOKEN"]
"""


@pytest.mark.parametrize("place", PLACES)
def test_what_python_prints(place: str) -> None:
    """Errors with their causes, threads, finalisers, warnings, records without a handler: told, not the secret."""
    environment = {**os.environ, "HF_TOKEN": SECRET, "PYTHONPATH": str(ROOT / "runner")}
    done = subprocess.run(
        [sys.executable, "-c", CODE + PLACES[place]], env=environment, capture_output=True, text=True, timeout=60
    )
    told = done.stdout + done.stderr
    assert "[secret]" in told
    assert SECRET not in told and "planted" not in told
    assert (done.returncode != 0) == (place == "uncaught")


def test_a_usage_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong command line is told without the address's password and signature."""
    from loraruner.cli import run

    monkeypatch.setenv("HF_TOKEN", SECRET)
    assert run(["validate", "job.json", f"https://ann:{SECRET}@host/x?sig=abcdef", "--strange"]) == 2
    assert run(["validate", "job.json", f"https://ann:{SECRET}@host/x?sig=abcdef"]) == 2
    told = capsys.readouterr().err
    assert "Usage: loraruner validate" in told and "https://[secret]@host/x?sig=[secret]" in told
    assert "planted" not in told and "abcdef" not in told
