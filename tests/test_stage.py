"""Bringing inputs to this machine: verified, cached, repeatable."""

import hashlib
import os
import shutil
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from loraruner import settings, stage
from loraruner.data.archives import unpack
from loraruner.errors import DataInvalid, EnvironmentUnfit, InputMissing, NoPermission
from loraruner.files import Digest, digest_file
from loraruner.settings import Settings
from loraruner.stage import Input, fetch_one, list_input
from tests.support import damage
from tests.support.damage import Damage
from tests.support.recording_store import RecordingStore
from tests.support.tiny_training import job

URI = "s3://data/set"


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return settings.load({"HOME": str(tmp_path / "home")})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder / "sub" / "b.txt").write_text("two")
    return folder


@pytest.fixture
def remote(data: Path, monkeypatch: pytest.MonkeyPatch) -> RecordingStore:
    """The folder as a store that is not on this machine, at any address."""
    store = RecordingStore(data)
    monkeypatch.setattr(stage, "open_store", lambda uri, settings: store)
    return store


def listed(uri: Path | str, here: Settings) -> Input:
    return list_input("$.data.uri", str(uri), here)


def test_a_fingerprint_is_of_the_content(data: Path, here: Settings) -> None:
    """A new time changes nothing; a changed byte, name or size does."""
    before = listed(data, here).fingerprint
    os.utime(data / "a.txt", ns=(1, 1))
    assert listed(data, here).fingerprint == before
    (data / "a.txt").write_text("One")
    changed = listed(data, here).fingerprint
    (data / "a.txt").rename(data / "c.txt")
    assert len({before, changed, listed(data, here).fingerprint}) == 3


def test_only_what_changed_is_hashed(data: Path, here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests are kept by size and time: an unchanged file is not read again, a changed one is."""
    listed(data, here)
    read: list[str] = []

    def noted(path: Path) -> Digest:
        read.append(path.name)
        return digest_file(path)

    monkeypatch.setattr(stage, "digest_file", noted)
    listed(data, here)
    assert read == []
    (data / "a.txt").write_text("new")
    os.utime(data / "a.txt", ns=(5, 5))
    listed(data, here)
    assert read == ["a.txt"]


def test_missing_inputs_are_named(tmp_path: Path, here: Settings) -> None:
    """66 with the place in the job; an empty folder is no data."""
    with pytest.raises(InputMissing, match=r"\$\.data\.uri: .*nowhere does not exist"):
        listed(tmp_path / "nowhere", here)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataInvalid, match=r"\$\.data\.uri: .*empty"):
        listed(tmp_path / "empty", here)


def test_digests_of_the_job(data: Path, tmp_path: Path, here: Settings) -> None:
    """The right ones pass; another one is 65 and both are named."""
    base = tmp_path / "base.safetensors"
    base.write_bytes(b"base")
    right = hashlib.sha256(b"base").hexdigest()
    inputs = {"$.model.base": list_input("$.model.base", str(base), here), "$.data.uri": listed(data, here)}
    staged = stage.fetch(job(model__base=str(base), model__sha256=right), inputs, here)
    assert (staged.base.path, staged.base.sha256, staged.data.path) == (base, right, data)
    wrong = "0" * 64
    with pytest.raises(DataInvalid, match=rf"\$\.model\.sha256: .*SHA-256 {right}, the job asks for {wrong}"):
        stage.fetch(job(model__sha256=wrong), inputs, here)
    with pytest.raises(DataInvalid, match=rf"\$\.data\.sha256: .*{staged.data.sha256}, the job asks for {wrong}"):
        stage.fetch(job(data__sha256=wrong), inputs, here)


def test_the_disk_is_checked_first(remote: RecordingStore, here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """78 with both numbers before the first byte; what lies here already is not counted."""
    found = listed(URI, here)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5))
    with pytest.raises(EnvironmentUnfit, match="6 bytes needed, 5 free"):
        fetch_one(found, here)
    assert remote.done("download") == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=6))
    fetch_one(found, here)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    fetch_one(found, here)


def test_a_remote_folder_is_fetched_once(remote: RecordingStore, here: Settings, data: Path) -> None:
    """The copy has the same digest as the original here; the next job finds it."""
    fetched = fetch_one(listed(URI, here), here)
    assert (fetched.path / "sub" / "b.txt").read_text() == "two"
    assert sorted(remote.done("download")) == ["a.txt", "sub/b.txt"]
    assert fetch_one(listed(URI, here), here) == fetched
    assert len(remote.done("download")) == 2
    assert fetched.sha256 == stage.tree_digest({key: digest_file(data / key) for key in ("a.txt", "sub/b.txt")})


@pytest.mark.parametrize("harm", damage.EVERY)
def test_a_damaged_copy_is_fetched_again(
    remote: RecordingStore, here: Settings, harm: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    """An emptied, a cut, a changed and a missing file in the cache are all seen and named; the others stay."""
    fetched = fetch_one(listed(URI, here), here)
    harm(fetched.path / "sub" / "b.txt")
    assert fetch_one(listed(URI, here), here) == fetched
    assert (fetched.path / "sub" / "b.txt").read_text() == "two"
    assert remote.done("download").count("sub/b.txt") == 2 and remote.done("download").count("a.txt") == 1
    assert "$.data.uri: the cached sub/b.txt is" in caplog.text


@pytest.mark.parametrize("harm", damage.EVERY)
def test_damaged_digests_of_copies_are_not_believed(
    remote: RecordingStore, here: Settings, harm: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the list of digests each file's own line counts; without that too nothing here can be verified."""
    fetched = fetch_one(listed(URI, here), here)
    for name in ("complete.sealed", "fetched.jsonl"):
        harm(fetched.path.parent / name)
        assert fetch_one(listed(URI, here), here) == fetched
    assert ("complete.sealed in the cache is damaged" in caplog.text) == (harm is not damage.remove)
    downloads = len(remote.done("download"))
    for name in ("complete.sealed", "fetched.jsonl"):
        (fetched.path.parent / name).unlink(missing_ok=True)
    damage.flip(fetched.path / "a.txt")
    assert fetch_one(listed(URI, here), here) == fetched
    assert (fetched.path / "a.txt").read_text() == "one" and len(remote.done("download")) == downloads + 2
    assert "the cached a.txt has no digest to be verified by and is fetched again" in caplog.text


def test_an_interrupted_fetch_keeps_what_it_has(remote: RecordingStore, here: Settings) -> None:
    """Files that a killed process has fetched are verified by their own lines and not fetched again."""
    found = listed(URI, here)
    remote.faults["download sub/b.txt"] = NoPermission("403")
    with pytest.raises(NoPermission):
        fetch_one(found, here)
    remote.faults.clear()
    fetched = fetch_one(found, here)
    assert (fetched.path / "a.txt").read_text() == "one"
    assert remote.done("download").count("sub/b.txt") == 2


@pytest.mark.parametrize("harm", damage.EVERY)
def test_damaged_digests_of_local_files_are_made_anew(
    data: Path, here: Settings, harm: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    """The book of local digests is believed only whole: any damage to it changes no fingerprint."""
    before = listed(data, here).fingerprint
    (book,) = (here.cache / "digests").iterdir()
    harm(book)
    assert listed(data, here).fingerprint == before
    assert ("in the cache is damaged" in caplog.text) == (harm is not damage.remove)


def test_a_base_that_changed_between_attempts_is_another_input(tmp_path: Path, here: Settings) -> None:
    """A base with one other bit, written anew, has another fingerprint: it never continues the old run."""
    base = tmp_path / "base.safetensors"
    base.write_bytes(b"weights")
    before = list_input("$.model.base", str(base), here).fingerprint
    base.write_bytes(b"weighty")
    os.utime(base, ns=(9, 9))
    assert list_input("$.model.base", str(base), here).fingerprint != before


def test_another_content_is_another_copy(remote: RecordingStore, here: Settings, data: Path) -> None:
    """A data set that changed in the store does not mix with the old copy."""
    old = fetch_one(listed(URI, here), here)
    (data / "a.txt").unlink()
    new = fetch_one(listed(URI, here), here)
    assert [path.name for path in new.path.iterdir()] == ["sub"]
    assert (old.path / "a.txt").exists() and old.sha256 != new.sha256


def test_archives_are_opened(tmp_path: Path, here: Settings) -> None:
    """The path is the content's, the digest the archive's."""
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("a.txt", "one")
    fetched = fetch_one(listed(tmp_path / "d.zip", here), here)
    assert (fetched.path / "a.txt").read_text() == "one"
    assert fetched.sha256 == digest_file(tmp_path / "d.zip").sha256


@pytest.mark.parametrize("uri", ["https://h/..", "https://h/.?x", "https://h/" + "x" * 300 + ".txt", "https://h"])
def test_a_single_file_keeps_a_name_inside_its_folder(
    uri: str, data: Path, here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address names a file outside of the copy's folder, or one too long for a disk; its ending is kept."""
    monkeypatch.setattr(stage, "open_store", lambda uri, settings: RecordingStore(data / "a.txt"))
    each = replace(listed(uri, here), local=None)
    path = fetch_one(each, here).path
    assert path.read_text() == "one" and path.parent == here.cache / "inputs" / each.fingerprint[:32] / "content"
    assert path.suffix == (".txt" if ".txt" in uri else "")


def test_an_archive_is_opened_by_one_run_at_a_time(
    tmp_path: Path, here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that begin together: the second waits, and finds a whole folder that is not taken away any more."""
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    each, one, both = listed(tmp_path / "d.zip", here), threading.Event(), threading.Event()

    def slow(archive: Path, folder: Path) -> Path:
        (both if one.is_set() else one).set()
        both.wait(0.3)
        return unpack(archive, folder)

    monkeypatch.setattr(stage, "unpack", slow)
    second = threading.Thread(target=lambda: one.wait() and fetch_one(each, here))
    second.start()
    found = fetch_one(each, here).path
    second.join()
    assert one.is_set() and not both.is_set()
    assert (found / "a.txt").read_text() == "a"


def test_the_first_error_ends_the_wait() -> None:
    """An input that may not be read is told at once, while another one is still on its way."""
    release, ended = threading.Event(), threading.Event()

    def slow() -> None:
        release.wait(10)
        ended.set()

    def denied() -> None:
        raise NoPermission("403")

    with pytest.raises(NoPermission):
        stage.in_parallel({"slow": slow, "denied": denied})
    assert not ended.is_set()
    release.set()


def test_a_captioner_is_an_input(data: Path, tmp_path: Path, here: Settings) -> None:
    """It is listed, counts for the run's identity, is fetched and opened like the others; without one there is none."""
    base = tmp_path / "base.safetensors"
    base.write_bytes(b"base")
    with zipfile.ZipFile(tmp_path / "blip.zip", "w") as archive:
        archive.writestr("config.json", "{}")
    plain = job(model__base=str(base), data__uri=str(data))
    asking = job(model__base=str(base), data__uri=str(data), data__caption={"model": str(tmp_path / "blip.zip")})
    inputs = stage.list_inputs(asking, here)
    assert inputs.keys() - stage.list_inputs(plain, here).keys() == {"$.data.caption.model"}
    staged = stage.fetch(asking, inputs, here)
    assert staged.captioner and (staged.captioner.path / "config.json").read_text() == "{}"
    assert staged.captioner.sha256 == digest_file(tmp_path / "blip.zip").sha256
    assert stage.fetch(plain, stage.list_inputs(plain, here), here).captioner is None
