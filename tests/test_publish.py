"""Versions: reserved by one, written once, never changed."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from loraruner import publish
from loraruner.errors import IntegrityError, TemporaryFailure, VersionConflict
from loraruner.files import Digest, digest_file
from loraruner.publish import Published
from loraruner.stores.base import Capabilities, ObjectInfo
from loraruner.stores.register import Register
from tests.support.recording_store import RecordingStore

ATOMIC = Capabilities(create_exclusive=True, replace_if_match=True, checksum_mode="none")
PLAIN = Capabilities(create_exclusive=False, replace_if_match=False, checksum_mode="none")


@pytest.fixture
def store(tmp_path: Path) -> RecordingStore:
    return RecordingStore(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "version"
    (folder / "samples").mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(b"weights")
    (folder / "samples" / "one.png").write_bytes(b"picture")
    return folder


def core(run_id: str, created: str = "2026-01-01T00:00:00+00:00") -> dict[str, Any]:
    return {"run_id": run_id, "created": created}


def published(store: RecordingStore, folder: Path, run_id: str, version: str = "auto") -> Published:
    return publish.publish(store, ATOMIC, publish.reserve(store, version, run_id, ATOMIC), folder, core(run_id))


def latest(store: RecordingStore) -> str:
    version: str = json.loads(store.read("latest.json")[0])["version"]
    return version


def test_numbers(store: RecordingStore) -> None:
    """The next integer after the highest, gaps stay; a run gets its own number again."""
    assert publish.reserve(store, "auto", "r1", ATOMIC) == "1"
    store.write("reservations/7.json", b'{"run_id": "gone"}')
    assert publish.reserve(store, "auto", "r2", ATOMIC) == "8"
    assert publish.reserve(store, "auto", "r1", ATOMIC) == "1"
    assert publish.reserve(store, "auto", "r2", ATOMIC) == "8"


def test_a_race_gives_distinct_numbers(store: RecordingStore) -> None:
    """Eight runs at once get eight numbers."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: publish.reserve(store, "auto", f"r{n}", ATOMIC), range(8)))
    assert sorted(found) == [str(number) for number in range(1, 9)]


def test_a_named_version_belongs_to_one_run(store: RecordingStore, folder: Path) -> None:
    """Reserved by another run it is 73, published by another too; the owner may come back."""
    assert publish.reserve(store, "v1", "r1", ATOMIC) == "v1"
    assert publish.reserve(store, "v1", "r1", ATOMIC) == "v1"
    with pytest.raises(VersionConflict, match=r"\$\.output\.version: 'v1' is reserved by run r1"):
        publish.reserve(store, "v1", "r2", ATOMIC)
    with pytest.raises(VersionConflict, match="reserved by run r1"):
        publish.find_published(store, "v1", "r2")  # told before training, not after it
    published(store, folder, "r1", "v1")
    with pytest.raises(VersionConflict, match=r"version 'v1' exists in .* made by run r1"):
        publish.find_published(store, "v1", "r2")
    found = publish.find_published(store, "v1", "r1")
    assert found is not None and found.version == "v1"


def test_named_versions_are_no_numbers(store: RecordingStore) -> None:
    """A version called 2024-01 does not make the next automatic one 2025."""
    publish.reserve(store, "2024-01", "r1", ATOMIC)
    assert publish.reserve(store, "auto", "r2", ATOMIC) == "1"


def test_without_an_atomic_create(store: RecordingStore, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can own a number: it carries the run's digest, with a warning, and still counts up."""
    runs = ("tiny-0123456789ab", "tiny-0123456789ab-2", "other-0123456789ab-2")
    found = [publish.reserve(store, "auto", run, PLAIN) for run in runs]
    assert [version.split("-")[0] for version in found] == ["1", "2", "3"]
    assert len({version.split("-")[1] for version in found}) == 3
    assert all(publish.reserve(store, "auto", run, PLAIN) == version for run, version in zip(runs, found, strict=True))
    assert "the store cannot create atomically" in caplog.text


def test_the_manifest_comes_last_and_lists_all(store: RecordingStore, folder: Path) -> None:
    """Every file with its size and digest; after it only the pointer."""
    manifest = published(store, folder, "r1").manifest
    for entry in manifest["files"]:
        assert digest_file(folder / entry["name"]) == Digest(entry["size"], entry["sha256"])
    assert [entry["name"] for entry in manifest["files"]] == ["a.safetensors", "samples/one.png"]
    changes = [line for line in store.calls if line.startswith(("upload", "write"))]
    assert changes[-2:] == ["write versions/1/manifest.json", "write latest.json"]
    assert publish.read_manifest(store, "1") == manifest
    assert manifest["version"] == latest(store) == "1"


@pytest.mark.parametrize("call", ["upload versions/1/samples/one.png", "write versions/1/manifest.json"])
def test_a_failure_publishes_nothing(store: RecordingStore, folder: Path, call: str) -> None:
    """A store that fails midway leaves no manifest and no pointer; the next attempt publishes the same number."""
    store.faults[call] = TemporaryFailure("away")
    with pytest.raises(TemporaryFailure):
        published(store, folder, "r1")
    assert publish.read_manifest(store, "1") is None and publish.find_published(store, "auto", "r1") is None
    assert store.head("latest.json") is None
    store.faults.clear()
    assert published(store, folder, "r1").version == "1"


def test_what_an_earlier_attempt_left_goes(store: RecordingStore, folder: Path) -> None:
    """A file that the published folder lacks is not left in the version."""
    publish.reserve(store, "auto", "r1", ATOMIC)
    store.write("versions/1/old.png", b"old")
    published(store, folder, "r1")
    assert [info.key for info in store.list("versions/")] == [
        "versions/1/a.safetensors",
        "versions/1/manifest.json",
        "versions/1/samples/one.png",
    ]


def test_what_comes_late_comes_to_nothing(store: RecordingStore, folder: Path) -> None:
    """A file that another attempt writes between look and upload is left as it is, and nothing is published."""
    publish.reserve(store, "auto", "r1", ATOMIC)
    store.write("versions/1/a.safetensors", b"older")
    head = store.head

    def overtaken(key: str) -> ObjectInfo | None:
        seen = head(key)
        if key.endswith("a.safetensors"):
            store.write(key, b"newer")
        return seen

    store.head = overtaken  # type: ignore[method-assign]
    with pytest.raises(TemporaryFailure, match=r"versions/1/a\.safetensors: somebody else is writing it"):
        published(store, folder, "r1")
    store.head = head  # type: ignore[method-assign]
    assert store.read("versions/1/a.safetensors")[0] == b"newer" and publish.read_manifest(store, "1") is None
    assert published(store, folder, "r1").version == "1"


def test_what_was_decided_is_published(store: RecordingStore, folder: Path) -> None:
    """An attempt ended between its decision and the manifest: the next one publishes just that."""
    store.faults["write versions/1/manifest.json"] = TemporaryFailure("away")
    with pytest.raises(TemporaryFailure):
        published(store, folder, "r1")
    store.faults.clear()
    decided = (folder / "manifest.json").read_bytes()
    (folder / "a.safetensors").write_bytes(b"other weights")
    assert published(store, folder, "r1").version == "1" == latest(store)
    assert store.read("versions/1/a.safetensors")[0] == b"weights"
    assert store.read("versions/1/manifest.json")[0] == decided


def test_a_manifest_that_is_late(store: RecordingStore, folder: Path) -> None:
    """Once a later attempt sends its files, an earlier one decides nothing any more."""
    earlier = Register(store, "runs/r1/publishing.json")
    earlier.own()
    published(store, folder, "r1")
    with pytest.raises(TemporaryFailure):
        earlier.decide({"version": "1"})


def test_one_that_comes_between(store: RecordingStore, folder: Path) -> None:
    """What a fenced attempt had under way and arrives between look and upload is replaced as well."""
    publish.reserve(store, "auto", "r1", ATOMIC)
    store.write("versions/1/a.safetensors", b"older")
    head = store.head

    def overtaken(key: str) -> ObjectInfo | None:
        seen = head(key)
        if key.endswith("a.safetensors"):
            store.head = head  # type: ignore[method-assign]
            store.write(key, b"late")
        return seen

    store.head = overtaken  # type: ignore[method-assign]
    published(store, folder, "r1")
    assert store.read("versions/1/a.safetensors")[0] == b"weights"


def test_a_version_never_changes(store: RecordingStore, folder: Path) -> None:
    """The same run again finds it; its files stay as the manifest has them, though the new folder differs."""
    first = published(store, folder, "r1")
    (folder / "a.safetensors").write_bytes(b"other weights")
    assert published(store, folder, "r1") == first
    assert store.read("versions/1/a.safetensors")[0] == b"weights"
    with pytest.raises(VersionConflict, match=r"'1' of .* was published by run r1 meanwhile"):
        publish.publish(store, ATOMIC, "1", folder, core("r2"))


def test_a_store_that_lies_is_found(store: RecordingStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When what arrived is not what was sent, nothing is published."""
    monkeypatch.setattr(store, "upload", lambda path, key, **_: Digest(0, "0" * 64))
    with pytest.raises(IntegrityError, match=r"a\.safetensors: what .* holds is not what was sent"):
        published(store, folder, "r1")
    assert publish.read_manifest(store, "1") is None


@pytest.mark.parametrize("stored", [None, ObjectInfo("versions/1/a.safetensors", 6, "x")])
def test_a_file_that_did_not_stay(
    store: RecordingStore, folder: Path, monkeypatch: pytest.MonkeyPatch, stored: ObjectInfo | None
) -> None:
    """A file that is gone or cut once all are sent: nothing is published, whatever was said when it was sent."""
    publish.reserve(store, "auto", "r1", ATOMIC)
    listed, head = store.list, store.head
    key = "versions/1/a.safetensors"
    monkeypatch.setattr(store, "list", lambda prefix: (info for info in listed(prefix) if info.key != key))
    monkeypatch.setattr(store, "head", lambda asked: stored if asked == key else head(asked))
    with pytest.raises(IntegrityError, match=r"a\.safetensors: what .* holds is not what was sent"):
        published(store, folder, "r1")
    assert publish.read_manifest(store, "1") is None


def test_a_listing_that_lags_is_no_proof(store: RecordingStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that only the listing lacks is asked for itself, and published."""
    publish.reserve(store, "auto", "r1", ATOMIC)
    monkeypatch.setattr(store, "list", lambda prefix: iter(()))
    monkeypatch.setattr(publish, "_reserved", lambda store: ["1"])
    assert published(store, folder, "r1").version == "1"


def test_one_question_for_all_files(store: RecordingStore, folder: Path) -> None:
    """However many files a version has, nothing is asked about any of them: each is sent, and one listing looked at."""
    published(store, folder, "r1")
    asked = [key for verb in ("head", "list") for key in store.done(verb) if key.startswith("versions/1/")]
    assert set(asked) == {"versions/1/", "versions/1/manifest.json"} and asked.count("versions/1/") == 1


def test_the_pointer_never_moves_back(store: RecordingStore, folder: Path) -> None:
    """A late publisher of a lower number leaves it; numbers order as numbers, and names come before them."""
    publish.reserve(store, "auto", "late", ATOMIC)
    store.write("reservations/9.json", b'{"run_id": "x"}')
    assert published(store, folder, "r10").version == "10" == latest(store)
    published(store, folder, "late")
    published(store, folder, "named", "summer")
    assert latest(store) == "10"
    publish.point_latest(store, publish.Published("11", {"run_id": "r11", "created": "2999-01-01T00:00:00+00:00"}))
    assert latest(store) == "11"


def test_names_follow_each_other(store: RecordingStore, folder: Path) -> None:
    """Between named versions the one that was published last is the latest."""
    for version in ("summer", "autumn"):
        published(store, folder, version, version)
    assert latest(store) == "autumn"
