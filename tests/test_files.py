"""Durable writes: the old or the new content, never a part."""

import errno
import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from loraruner.errors import EnvironmentUnfit
from loraruner.files import Digest, digest_bytes, digest_file, replacing, require_free, temporary_beside, write_bytes


def test_digests(tmp_path: Path) -> None:
    """Size and SHA-256, of memory and of a file larger than one chunk."""
    data = b"loraruner" * 200_000
    (tmp_path / "f").write_bytes(data)
    expected = Digest(len(data), hashlib.sha256(data).hexdigest())
    assert digest_bytes(data) == digest_file(tmp_path / "f") == expected


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    """An error while writing leaves the file as it was, and nothing beside it."""
    path = tmp_path / "deep" / "f"
    write_bytes(path, b"old")
    with pytest.raises(KeyError), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        assert path.read_bytes() == b"old"
        raise KeyError
    assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [("f", b"old")]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    """The new folder has only what was written; an error keeps the old one."""
    folder = tmp_path / "folder"
    for content, names in (("a", ("1", "2")), ("b", ("3",))):
        with replacing(folder) as temporary:
            temporary.mkdir()
            for name in names:
                (temporary / name).write_text(content)
    with pytest.raises(KeyError), replacing(folder) as temporary:
        temporary.mkdir()
        raise KeyError
    assert [path.name for path in folder.iterdir()] == ["3"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_temporary_names_differ(tmp_path: Path) -> None:
    """Two writers of one file never share a temporary one; stores hide the names."""
    names = {temporary_beside(tmp_path / "f").name for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(".f.") and name.endswith(".tmp") for name in names)


def test_too_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """78 with both numbers, also for a folder that is not there yet; enough is enough."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    require_free(tmp_path / "not" / "yet", 1_000_000, "the inputs")
    with pytest.raises(
        EnvironmentUnfit, match=r"the inputs: 1,000,001 bytes needed, 1,000,000 free in .*LORARUNER_CACHE"
    ):
        require_free(tmp_path / "not" / "yet", 1_000_001, "the inputs")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_named_by_the_file(tmp_path: Path, error: Exception) -> None:
    """Whichever library met it, the error names the file that was to be written, not a temporary one or none."""
    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/x'") as caught, replacing(tmp_path / "x"):
        raise error
    assert caught.value.errno == errno.ENOSPC and list(tmp_path.iterdir()) == []
