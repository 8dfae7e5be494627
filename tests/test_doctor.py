"""Findings about this machine."""

import shutil
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from loraruner import settings
from loraruner.doctor import Finding, examine, gpu_memory_bytes

PASSWORD = "planted-secret-0123456789"


def found(tmp_path: Path, store: str | None = None) -> dict[str, Finding]:
    here = settings.load({"HOME": str(tmp_path)})
    return {finding.check: finding for finding in examine(here, store)}


def test_a_fit_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check of the machine that runs the tests is fit, and a secret is named without its value."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10 << 30))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    findings = found(tmp_path, str(tmp_path / "out"))
    assert [finding.check for finding in findings.values() if not finding.ok] == []
    assert {"torch", "gpu", "cpus", "cache", "workdir", "store"} <= findings.keys()
    assert findings["AWS_SECRET_ACCESS_KEY"].detail == "set"
    assert PASSWORD not in str(findings)


def test_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not there says how to get it; those of an extra may be absent; a full disk is unfit."""
    installed = metadata.version

    def without(package: str) -> str:
        if package in ("torch", "peft", "boto3", "prometheus-client"):
            raise metadata.PackageNotFoundError(package)
        return installed(package)

    monkeypatch.setattr("loraruner.doctor.metadata.version", without)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1))
    findings = found(tmp_path)
    assert {name for name, finding in findings.items() if not finding.ok} == {"torch", "peft", "cache", "workdir"}
    for package, extra in (("peft", "train"), ("boto3", "s3"), ("prometheus-client", "metrics")):
        assert f"pip install 'loraruner[{extra}]'" in findings[package].detail
    assert "gpu" not in findings


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache and workspace are unfit where they cannot be made, or where the one above refuses this user."""
    findings = found(Path("/dev/null"))
    assert not findings["cache"].ok and "/dev/null cannot be written" in findings["cache"].detail
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != "/")
    assert not found(Path("/new"))["workdir"].ok


def test_a_store_that_does_not_work(tmp_path: Path) -> None:
    """The error of the probe is the finding."""
    (tmp_path / "file").write_text("not a folder")
    store = found(tmp_path, str(tmp_path / "file" / "below"))["store"]
    assert not store.ok and "file" in store.detail


def test_memory_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the first GPU's memory; None without a GPU or without torch."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(total_memory=24 << 30))
    assert gpu_memory_bytes() == 24 << 30
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_memory_bytes() is None
    monkeypatch.setattr("loraruner.doctor.find_version", lambda package: None)
    assert gpu_memory_bytes() is None
