"""Files and folders keep the promises of an object store."""

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loraruner import settings
from loraruner.errors import (
    DataInvalid,
    EnvironmentUnfit,
    InputMissing,
    IntegrityError,
    NoPermission,
    TemporaryFailure,
)
from loraruner.files import digest_bytes
from loraruner.stores import local_write, open_store
from loraruner.stores.base import Capabilities, PreconditionFailed, Store


def opened(path: Path | str) -> Store:
    return open_store(str(path), settings.load())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_round_trip(tmp_path: Path) -> None:
    """What is uploaded, written, listed, read and downloaded is the same, by path and by file URI."""
    (tmp_path / "source").write_bytes(b"weights" * 1000)
    store = opened(f"file://{tmp_path}/out%20put")
    digest = store.upload(tmp_path / "source", "a/weights")
    etag = store.write("a.txt", b"text")
    assert digest == digest_bytes(b"weights" * 1000)
    assert [(info.key, info.size_bytes) for info in store.list()] == [("a.txt", 4), ("a/weights", 7000)]
    assert [info.key for info in store.list("a/")] == ["a/weights"]
    assert opened(tmp_path / "out put").read("a.txt") == (b"text", etag)
    assert store.download("a/weights", tmp_path / "new/copy", sha256=digest.sha256.upper()) == digest
    assert (tmp_path / "new/copy").read_bytes() == b"weights" * 1000


def test_a_single_file(tmp_path: Path) -> None:
    """A root that is a file is a store of one object with the key ""."""
    (tmp_path / "set.zip").write_bytes(b"zip")
    store = opened(tmp_path / "set.zip")
    assert [(info.key, info.size_bytes) for info in store.list()] == [("", 3)]
    assert store.head("") == next(store.list()) and list(store.list("x")) == []
    store.download("", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == store.read("")[0] == b"zip"


def test_conditional_writes(tmp_path: Path) -> None:
    """Create refuses what exists; replace refuses another version and a missing file."""
    store = opened(tmp_path)
    etag = store.write("d/k", b"1", if_absent=True)
    with pytest.raises(PreconditionFailed):
        store.write("d/k", b"2", if_absent=True)
    newer = store.write("d/k", b"3", if_match=etag)
    for key in ("d/k", "d/absent"):
        with pytest.raises(PreconditionFailed):
            store.write(key, b"4", if_match=etag)
    assert store.read("d/k") == (b"3", newer)
    assert [info.key for info in store.list()] == ["d/k"]


def test_a_later_version_has_a_later_time(tmp_path: Path) -> None:
    """A replacement never gets an ETag that the file had before, even when the clock goes back."""
    store = opened(tmp_path)
    store.write("k", b"1")
    future_ns = time.time_ns() + 3600 * 10**9
    os.utime(tmp_path / "k", ns=(future_ns, future_ns))
    store.write("k", b"2")
    assert (tmp_path / "k").stat().st_mtime_ns == future_ns + 1


@pytest.mark.parametrize("links", [True, False])
def test_a_race_has_one_winner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """Of sixteen that create the same file at once one wins, also where there are no hard links."""
    if not links:

        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)
    store, barrier = opened(tmp_path), threading.Barrier(16)

    def create(number: int) -> int | None:
        barrier.wait()
        try:
            store.write("lease", b"%d" % number, if_absent=True)
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(create, range(16)) if number is not None]
    assert store.read("lease")[0] == b"%d" % winners[0] and len(winners) == 1
    assert names(tmp_path) == ["lease"]


def test_no_replacement_is_lost(tmp_path: Path) -> None:
    """Eight threads that count up by compare-and-replace lose no count, and leave no lock file."""
    store = opened(tmp_path)
    store.write("count", b"0")

    def count(_: int) -> None:
        while True:
            data, etag = store.read("count")
            try:
                store.write("count", b"%d" % (int(data) + 1), if_match=etag)
            except PreconditionFailed:
                continue
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(64)))
    assert store.read("count")[0] == b"64" and names(tmp_path) == ["count"]


def test_a_slow_copy_holds_up_nobody(tmp_path: Path) -> None:
    """While one writer copies, another one replaces; then the first one's condition fails, and nothing of it stays."""
    target = tmp_path / "k"
    store = opened(tmp_path)
    etag = store.write("k", b"old")

    def fill(temporary: Path) -> None:
        temporary.write_bytes(b"slow")
        store.write("k", b"fast", if_match=etag)

    with pytest.raises(PreconditionFailed):
        local_write.replace_if_match(target, fill, etag)
    assert store.read("k")[0] == b"fast" and names(tmp_path) == ["k"]


def test_a_lock_of_a_frozen_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end: 75 with the lock's name, and nothing is changed."""
    monkeypatch.setattr(local_write, "LOCK_LIMIT_S", 0.05)
    store = opened(tmp_path)
    etag = store.write("k", b"old")
    with (
        local_write.locked(tmp_path / "k"),
        pytest.raises(TemporaryFailure, match=r"\.k\.lock: another process has held this lock"),
    ):
        store.write("k", b"new", if_match=etag)
    assert store.read("k")[0] == b"old" and names(tmp_path) == ["k"]


def test_probe(tmp_path: Path) -> None:
    """The probe finds both conditions honoured and lists nothing afterwards."""
    store = opened(tmp_path / "out")
    assert store.probe() == Capabilities(True, True, "none")
    assert list(store.list()) == []


def test_links_are_refused(tmp_path: Path) -> None:
    """A link or a pipe below the root is named and refused, whether listed or asked for."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_bytes(b"secret")
    root = tmp_path / "root"
    root.mkdir()
    store = opened(root)
    (root / "folder").symlink_to(tmp_path / "secret")
    for call in (lambda: list(store.list()), lambda: store.read("folder/file"), lambda: store.head("folder")):
        with pytest.raises(DataInvalid, match=r"root/folder: is a link"):
            call()
    (root / "folder").unlink()
    os.mkfifo(root / "pipe")
    with pytest.raises(DataInvalid, match=r"root/pipe: is a link or a device"):
        list(store.list())
    with pytest.raises(InputMissing, match="not a regular file"):
        store.read("pipe")


def test_a_root_behind_a_link(tmp_path: Path) -> None:
    """The root itself may be named through a link: the user chose it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    opened(tmp_path / "link").write("k", b"1")
    assert [info.key for info in opened(tmp_path / "link").list()] == ["k"]


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a//b", "a/../b", "a\\b", "a\x00b", "a\x1bb", "\ud800"])
def test_hostile_keys_are_refused(tmp_path: Path, key: str) -> None:
    """No key leaves the root or hides control characters."""
    with pytest.raises(DataInvalid, match="is refused"):
        opened(tmp_path / "root").write(key, b"")
    assert names(tmp_path) == []


def test_half_made_files_are_not_listed(tmp_path: Path) -> None:
    """What another process is still writing is no object, but a hidden file of the user is."""
    for name in (".k.1.ab.tmp", ".k.ab.partial", ".k.ab.partial.parts", ".k.lock", ".keep"):
        (tmp_path / name).touch()
    assert [info.key for info in opened(tmp_path).list()] == [".keep"]


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    """Below a regular file, or in place of a folder, nothing can be written: 77, and nothing is destroyed."""
    (tmp_path / "file").write_bytes(b"data")
    (tmp_path / "folder/sub").mkdir(parents=True)
    source = tmp_path / "file"
    for call in (
        lambda: opened(tmp_path / "file/out").write("k", b""),
        lambda: opened(tmp_path / "file/out").upload(source, "k"),
        lambda: opened(tmp_path / "file/out").probe(),
        lambda: opened(tmp_path).write("folder", b""),
        lambda: opened(tmp_path).upload(source, "folder"),
        lambda: opened(tmp_path / "file").download("", tmp_path / "folder"),
    ):
        with pytest.raises(NoPermission, match="cannot be written"):
            call()
    assert names(tmp_path) == ["file", "folder", "sub"]


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, EnvironmentUnfit), (errno.EROFS, NoPermission), (errno.EACCES, NoPermission)],
)
def test_a_full_or_read_only_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    """A full disk is 78, a read-only one 77; the old content stays and no temporary file remains."""
    store = opened(tmp_path)
    etag = store.write("k", b"old")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    for call in (
        lambda: store.write("k", b"new"),
        lambda: store.write("k", b"new", if_match=etag),
        lambda: store.write("new", b"new", if_absent=True),
        lambda: store.upload(tmp_path / "k", "copy"),
        lambda: store.download("k", tmp_path / "copy"),
    ):
        with pytest.raises(error):
            call()
    assert store.read("k")[0] == b"old" and [info.key for info in store.list()] == ["k"]


def test_a_wrong_digest(tmp_path: Path) -> None:
    """A file that is not what its digest says is 74 and does not appear."""
    opened(tmp_path).write("k", b"data")
    with pytest.raises(IntegrityError, match="expected 00ff"):
        opened(tmp_path).download("k", tmp_path / "copy", sha256="00ff")
    assert names(tmp_path) == ["k"]


def test_read_limit(tmp_path: Path) -> None:
    """A small read refuses a large file."""
    opened(tmp_path).write("k", bytes(11))
    with pytest.raises(DataInvalid, match="11 bytes are more than the 10"):
        opened(tmp_path).read("k", limit_bytes=10)


def test_conditional_uploads(tmp_path: Path) -> None:
    """An upload may create only, or replace only what it names; a refused one changes and leaves nothing."""
    store = opened(tmp_path / "root")
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    store.upload(tmp_path / "one", "k", if_absent=True)
    with pytest.raises(PreconditionFailed):
        store.upload(tmp_path / "two", "k", if_absent=True)
    with pytest.raises(PreconditionFailed):
        store.upload(tmp_path / "two", "k", if_match="another")
    data, etag = store.read("k")
    assert (data, names(tmp_path / "root")) == (b"one", ["k"])
    assert store.upload(tmp_path / "two", "k", if_match=etag) == digest_bytes(b"two")
    with pytest.raises(PreconditionFailed):
        store.upload(tmp_path / "one", "k", if_match=etag)
    assert store.read("k")[0] == b"two"


def test_age(tmp_path: Path) -> None:
    """A file's age is told by the disk's own clock, leaves nothing behind, and is never below nought."""
    store = opened(tmp_path / "root")
    store.write("k", b"1")
    young = store.age_s("k")
    assert young is not None and 0 <= young < 60
    for shift_s, expected in ((-100.0, 100.0), (3600.0, 0.0)):
        moment = time.time() + shift_s
        os.utime(tmp_path / "root/k", (moment, moment))
        age = store.age_s("k")
        assert age is not None and max(0.0, expected - 1) <= age < expected + 60
    assert names(tmp_path / "root") == ["k"]
    with pytest.raises(InputMissing, match="absent"):
        store.age_s("absent")
