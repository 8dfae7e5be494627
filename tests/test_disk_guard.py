"""The guard of the disk: 78 with place and numbers before a write could fail."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from loraruner.disk_guard import MARGIN_BYTES, DiskGuard
from loraruner.errors import EnvironmentUnfit


def free(monkeypatch: pytest.MonkeyPatch, num_bytes: int, num_files: int = 10**6, files: int = 10**7) -> None:
    status = SimpleNamespace(f_bavail=num_bytes, f_frsize=1, f_files=files, f_favail=num_files)
    monkeypatch.setattr(os, "statvfs", lambda path: status)


def test_room_enough_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly what is needed and the margin is enough; so is a file system that does not count its files."""
    guard = DiskGuard({"LORARUNER_WORKDIR": tmp_path / "not" / "there"})
    free(monkeypatch, MARGIN_BYTES + 100)
    guard.require(100, "the next checkpoint")
    free(monkeypatch, MARGIN_BYTES + 100, num_files=0, files=0)
    guard.require(100, "the next checkpoint")


def test_the_place_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """78 with the name of the place, the folder, both numbers, and what to do."""
    guard = DiskGuard({"LORARUNER_WORKDIR": tmp_path})
    free(monkeypatch, MARGIN_BYTES + 99)
    with pytest.raises(EnvironmentUnfit) as caught:
        guard.require(100, "the next checkpoint")
    told = str(caught.value)
    assert told.startswith(f"LORARUNER_WORKDIR: the disk of {tmp_path} is nearly full: {MARGIN_BYTES + 99:,} bytes")
    assert f"the next checkpoint wants {MARGIN_BYTES + 100:,}" in told and "start the same job again" in told


def test_a_disk_without_room_for_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that can take no more files is as full as one without bytes."""
    free(monkeypatch, 10**12, num_files=3)
    with pytest.raises(EnvironmentUnfit, match=r"^LORARUNER_CACHE: .* can take 3 more files"):
        DiskGuard({"LORARUNER_CACHE": tmp_path}).require(0, "the stage prepare")


def test_every_place_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two disks counts too."""
    (tmp_path / "small").mkdir()

    def statvfs(path: Path) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=0 if path.name == "small" else 10**12, f_frsize=1, f_files=0, f_favail=0)

    monkeypatch.setattr(os, "statvfs", statvfs)
    with pytest.raises(EnvironmentUnfit, match=r"^\$\.output\.uri: the disk of .*small is nearly full: 0 bytes"):
        DiskGuard({"LORARUNER_CACHE": tmp_path, "$.output.uri": tmp_path / "small"}).require(1, "the stage publish")
