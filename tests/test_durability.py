"""Holes in durability, each as a test that fails without its mend."""

import os
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from loraruner import files, publish
from loraruner.errors import IntegrityError
from loraruner.files import replacing
from loraruner.stores.base import PreconditionFailed
from loraruner.stores.local import LocalStore


def test_a_folder_is_never_seen_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process killed while it replaces a folder leaves the old one, the new one or none, and no part of either."""
    folder = tmp_path / "folder"

    def write(content: str) -> None:
        with replacing(folder) as temporary:
            temporary.mkdir()
            for name in "12":
                (temporary / name).write_text(content)

    def killed(path: Path, **_: object) -> None:
        (Path(path) / "1").unlink()
        raise KeyboardInterrupt

    write("old")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            write("new")
    found = {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}
    assert found in ({"1": "old", "2": "old"}, {"1": "new", "2": "new"}, {})


def test_two_replace_one_folder(tmp_path: Path) -> None:
    """Two that make the same cache entry both succeed, and it is whole."""
    faults: list[BaseException] = []

    def make(content: str) -> None:
        for _ in range(100):
            try:
                with replacing(tmp_path / "entry") as temporary:
                    temporary.mkdir()
                    (temporary / "1").write_text(content)
                    (temporary / "2").write_text(content)
            except OSError as error:
                faults.append(error)

    threads = [threading.Thread(target=make, args=(content,)) for content in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert (tmp_path / "entry/1").read_text() == (tmp_path / "entry/2").read_text()
    assert os.listdir(tmp_path) == ["entry"]


def test_new_folders_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder that a write makes is flushed into its parent too, else a power cut loses the whole branch."""
    flushed: list[Path] = []
    fsync = files.fsync_path

    def noted(path: Path) -> None:
        flushed.append(Path(path))
        fsync(path)

    monkeypatch.setattr(files, "fsync_path", noted)
    LocalStore(str(tmp_path), tmp_path).write("versions/1/manifest.json", b"x", if_absent=True)
    assert {tmp_path, tmp_path / "versions", tmp_path / "versions/1"} <= set(flushed)


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    """A second job with the same archive leaves the folder alone that the first one is reading."""
    from loraruner.data.archives import is_archive
    from loraruner.stage import Fetched, _opened

    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("a.txt", "a")
        bundle.writestr("b.txt", "b")
    assert is_archive(archive)
    fetched = Fetched(archive, files.digest_file(archive).sha256)
    first = _opened(fetched, str(archive), tmp_path / "cache")
    with (first.path / "a.txt").open() as _reading:
        before = (first.path.stat().st_ino, (first.path / "a.txt").stat().st_ino)
        second = _opened(fetched, str(archive), tmp_path / "cache")
    assert (second.path.stat().st_ino, (second.path / "a.txt").stat().st_ino) == before
    (first.path / "a.txt").write_text("damaged")
    assert (_opened(fetched, str(archive), tmp_path / "cache").path / "a.txt").read_text() == "a"


def test_deleting_does_not_hinder_writing(tmp_path: Path) -> None:
    """One who deletes the last object of a prefix never makes another one's write below it fail (75 or 77)."""
    store, faults = LocalStore(str(tmp_path), tmp_path), list[BaseException]()

    def work(name: str) -> None:
        for _ in range(400):
            try:
                store.write(f"a/b/{name}", b"x")
                store.write(f"a/b/{name}2", b"x", if_absent=True)
                store.delete(f"a/b/{name}")
                store.delete(f"a/b/{name}2")
            except Exception as error:
                faults.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_no_part_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hard links a kill in the creation of an object leaves no part of it."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "no links")

    def half(source: object, target: Any, *_: object) -> None:
        target.write(b"ha")
        target.flush()
        seen.append((tmp_path / "manifest.json").read_bytes())

    seen: list[bytes] = []
    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(shutil, "copyfileobj", half)
    store = LocalStore(str(tmp_path), tmp_path)
    store.write("manifest.json", b"half of it is not there", if_absent=True)
    assert seen == [] and store.read("manifest.json")[0] == b"half of it is not there"
    with pytest.raises(PreconditionFailed):
        store.write("manifest.json", b"another", if_absent=True)


@pytest.mark.parametrize("length", [236, 250, 255])
def test_long_names(tmp_path: Path, length: int) -> None:
    """Every name that the file system takes can be written (80 Chinese characters are 240 bytes)."""
    store = LocalStore(str(tmp_path), tmp_path)
    etag = store.write("n" * length, b"x", if_absent=True)
    store.write("n" * length, b"y", if_match=etag)
    assert store.read("n" * length)[0] == b"y"
    store.download("n" * length, tmp_path / "copy" / ("n" * length))
    assert [info.key for info in store.list()] == ["copy/" + "n" * length, "n" * length]


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"run_id": 1}', b"[" * 100_000])
def test_damaged_documents(tmp_path: Path, data: bytes) -> None:
    """A torn or foreign document in the store is IntegrityError (74) with its address, not a traceback (70)."""
    store = LocalStore(str(tmp_path), tmp_path)
    capabilities = store.probe()
    for key in ("reservations/1.json", "versions/1/manifest.json"):
        store.write(key, data)
        with pytest.raises(IntegrityError, match=key):
            publish.find_published(store, "1", "run-a")
        store.delete(key)
    store.write("reservations/1.json", data)
    with pytest.raises(IntegrityError, match=r"reservations/1\.json"):
        publish.reserve(store, "auto", "run-a", capabilities)
    store.write("latest.json", data)
    with pytest.raises(IntegrityError, match=r"latest\.json"):
        publish.point_latest(store, publish.Published("1", {"run_id": "a", "created": "2030"}))
