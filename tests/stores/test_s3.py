"""The S3 store's small operations, against a real server."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from loraruner import settings
from loraruner.errors import DataInvalid, InputMissing, NoPermission, SpecInvalid, TemporaryFailure
from loraruner.faults.proxy import Proxy, Seen, once
from loraruner.stores import open_store
from loraruner.stores.base import Capabilities, PreconditionFailed
from loraruner.stores.s3 import S3Store

OpenS3 = Callable[..., S3Store]
slow = pytest.mark.slow


def is_put(seen: Seen) -> bool:
    return seen.method == "PUT"


def is_last(seen: Seen) -> bool:
    """The request that makes an upload visible."""
    return (seen.method == "PUT" and "partNumber" not in seen.path) or (
        seen.method == "POST" and "uploadId=" in seen.path
    )


@slow
def test_prefixes(open_s3: OpenS3) -> None:
    """``s3://b/p`` and ``s3://b/p/`` mean what lies below ``p/``, sorted by key; never ``p2/``."""
    everything = open_s3("")
    for key in ("p/b", "p/a/z", "p/a.txt", "p2/x", "px"):
        everything.write(key, key.encode())
    keys = ["a.txt", "a/z", "b"]
    assert [info.key for info in open_s3("p").list()] == keys
    assert [info.key for info in open_s3("p/").list()] == keys
    assert [info.key for info in open_s3("p").list("a/")] == ["a/z"]
    assert open_s3("p").read("a/z")[0] == b"p/a/z"
    assert list(open_s3("nothing").list()) == []


@slow
def test_a_single_object(open_s3: OpenS3, tmp_path: Path) -> None:
    """A URI of one object lists that object with the key "", reads and downloads it."""
    open_s3("").write("models/base.gguf", b"weights")
    store = open_s3("models/base.gguf")
    assert [(info.key, info.size_bytes) for info in store.list()] == [("", 7)]
    assert store.read("")[0] == b"weights"
    store.download("", tmp_path / "base")
    assert (tmp_path / "base").read_bytes() == b"weights"


@slow
def test_conditional_writes(open_s3: OpenS3) -> None:
    """Create refuses what exists; replace refuses another version and a missing object."""
    store = open_s3()
    etag = store.write("k", b"1", if_absent=True)
    with pytest.raises(PreconditionFailed):
        store.write("k", b"2", if_absent=True)
    newer = store.write("k", b"3", if_match=etag)
    with pytest.raises(PreconditionFailed):
        store.write("k", b"4", if_match=etag)
    with pytest.raises(PreconditionFailed):
        store.write("absent", b"5", if_match=etag)
    found = store.head("k")
    assert found is not None and found.etag == newer == store.read("k")[1]
    store.delete("k")
    store.delete("k")
    assert store.head("k") is None


@slow
def test_a_race_has_one_winner(open_s3: OpenS3) -> None:
    """Of sixteen that create the same key at once exactly one wins, and its bytes stay."""
    store, barrier = open_s3(), threading.Barrier(16)

    def create(number: int) -> int | None:
        barrier.wait()
        try:
            store.write("lease", str(number).encode(), if_absent=True)
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(create, range(16)) if number is not None]
    assert len(winners) == 1
    assert store.read("lease")[0] == str(winners[0]).encode()


@slow
def test_a_lost_answer_to_a_conditional_create(open_s3: OpenS3, proxy: Proxy) -> None:
    """A create whose first try succeeded without an answer is no lost race; one that met other bytes is."""
    store = open_s3(via=proxy.endpoint)
    proxy.fault = once(is_put, "lost")
    assert store.write("k", b"mine", if_absent=True) == store.read("k")[1]
    proxy.fault = once(is_put, "503")
    with pytest.raises(PreconditionFailed):
        store.write("k", b"other", if_absent=True)


@slow
@pytest.mark.parametrize("size", [100, (33 << 20) + 7])
def test_conditional_uploads(open_s3: OpenS3, tmp_path: Path, size: int) -> None:
    """Small and multipart uploads create only, or replace only what they name; a refused one leaves no parts."""
    store = open_s3()
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode() + bytes(size))
    one = store.upload(tmp_path / "one", "k", if_absent=True)
    found = store.head("k")
    assert found is not None
    for condition in ({"if_absent": True}, {"if_match": '"00000000000000000000000000000000"'}):
        with pytest.raises(PreconditionFailed):
            store.upload(tmp_path / "two", "k", **condition)
    with pytest.raises(PreconditionFailed):
        store.upload(tmp_path / "two", "absent", if_match=found.etag)
    assert store.head("absent") is None and store.download("k", tmp_path / "back") == one
    two = store.upload(tmp_path / "two", "k", if_match=found.etag)
    assert store.download("k", tmp_path / "back") == two
    uploads = store._client.list_multipart_uploads(Bucket=store._bucket, Prefix=store._root).get("Uploads", [])
    assert uploads == []


@slow
@pytest.mark.parametrize("size", [100, (33 << 20) + 7])
def test_a_lost_answer_to_a_conditional_upload(open_s3: OpenS3, proxy: Proxy, tmp_path: Path, size: int) -> None:
    """An upload that met its own object after a lost answer won; one that met another's lost."""
    store = open_s3(via=proxy.endpoint)
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode() + bytes(size))
    proxy.fault = once(is_last, "lost")
    one = store.upload(tmp_path / "one", "k", if_absent=True)
    proxy.fault = once(is_last, "503")
    with pytest.raises(PreconditionFailed):
        store.upload(tmp_path / "two", "k", if_absent=True)
    assert store.download("k", tmp_path / "back") == one


@slow
def test_age(open_s3: OpenS3) -> None:
    """An object's age is the store's own Date less its own time of writing; of none it is 66."""
    store = open_s3()
    store.write("k", b"1")
    age = store.age_s("k")
    assert age is not None and 0 <= age < 60
    with pytest.raises(InputMissing, match="absent"):
        store.age_s("absent")


@slow
def test_probe(open_s3: OpenS3, caplog: pytest.LogCaptureFixture) -> None:
    """The probe finds what a full-grown store does, says it in one line, and leaves nothing behind."""
    store = open_s3()
    with caplog.at_level(logging.INFO, "loraruner.stores.s3_probe"):
        assert store.probe() == Capabilities(True, True, "when_supported")
    assert len(caplog.records) == 1 and list(store.list()) == []


@slow
def test_probe_of_a_store_without_conditions(open_s3: OpenS3, proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """A store that answers every conditional write with success is found out, with a warning."""
    proxy.fault = lambda seen: "ok" if {"if-none-match", "if-match"} & set(seen.headers) else None
    found = open_s3(via=proxy.endpoint).probe()
    assert (found.create_exclusive, found.replace_if_match) == (False, False)
    assert "conditional writes are not honoured" in caplog.text


@slow
def test_probe_of_a_store_without_checksums(open_s3: OpenS3, proxy: Proxy, tmp_path: Path) -> None:
    """Where checksum headers are refused, uploads carry Content-MD5 instead."""
    proxy.fault = lambda seen: "501" if "x-amz-checksum-sha256" in seen.headers else None
    store = open_s3(via=proxy.endpoint)
    assert store.probe() == Capabilities(True, True, "when_required")
    (tmp_path / "large").write_bytes(bytes(33 << 20))
    store.upload(tmp_path / "large", "large")
    assert all("content-md5" in seen.headers for seen in proxy.seen if "partNumber" in seen.path)


@slow
def test_read_limit_and_absence(open_s3: OpenS3) -> None:
    """A small read refuses large objects with 65 and absent ones with 66."""
    store = open_s3()
    store.write("k", bytes(11))
    assert store.read("k", limit_bytes=11)[0] == bytes(11)
    with pytest.raises(DataInvalid, match="11 bytes are more than the 10"):
        store.read("k", limit_bytes=10)
    with pytest.raises(InputMissing, match="absent"):
        store.read("absent")


@slow
def test_wrong_credentials(open_s3: OpenS3, monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    """A wrong secret key and an unknown access key are 77 and name the variable; so are none at all."""
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
        open_s3()
        monkeypatch.setenv(name, "wrong")
        store = open_store(f"s3://{bucket}/root", settings.load())
        with pytest.raises(NoPermission, match=name):
            store.write("k", b"")
        with pytest.raises(NoPermission, match="access denied"):
            store.head("k")
        with pytest.raises(NoPermission, match="nothing can be written"):
            store.probe()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NoPermission, match="no usable credentials"):
        list(open_store(f"s3://{bucket}/root", settings.load()).list())


@slow
def test_a_missing_bucket(open_s3: OpenS3, tmp_path: Path) -> None:
    """Every operation on a bucket that is not there is 66 and names it, never an empty answer."""
    open_s3()
    store = open_store("s3://no-such-bucket/root", settings.load())
    (tmp_path / "file").write_bytes(b"x")
    calls: list[Callable[[], object]] = [
        lambda: list(store.list()),
        lambda: store.head("k"),
        lambda: store.read("k"),
        lambda: store.write("k", b""),
        lambda: store.download("k", tmp_path / "target"),
        lambda: store.upload(tmp_path / "file", "k"),
        store.probe,
    ]
    for call in calls:
        with pytest.raises(InputMissing, match="the bucket 'no-such-bucket' does not exist"):
            call()


@slow
def test_a_bucket_is_looked_for_once(open_s3: OpenS3, proxy: Proxy) -> None:
    """Each absent object costs one request: that the bucket exists is asked with the first one only."""
    store = open_s3(via=proxy.endpoint)
    assert [store.head(key) for key in "abc"] == [None] * 3
    assert [seen.path.count("/") for seen in proxy.seen] == [4, 1, 4, 4]


def test_a_store_that_is_not_there(seaweedfs: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody listens at the endpoint: 75 after retries."""
    endpoint = f"http://127.0.0.1:{seaweedfs.free_ports(1)[0]}"
    for name, value in seaweedfs.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    store = open_store("s3://bucket/root", settings.load())
    for call in (lambda: store.read("k"), lambda: store.upload(Path(__file__), "k")):
        with pytest.raises(TemporaryFailure, match=r"cannot be reached .* check AWS_ENDPOINT_URL_S3"):
            call()


@pytest.mark.parametrize("uri", ["s3://", "s3:///key", "s3://b!/x", "s3://-bucket"])
def test_bad_addresses(uri: str) -> None:
    """An address without a proper bucket is a fault of the job."""
    with pytest.raises(SpecInvalid, match="is no bucket name"):
        open_store(uri, settings.load())


@pytest.mark.parametrize("key", ["../x", "/x", "a//b", "a/./b", "a\\b", "a\x00", "a\nb", "x/"])
def test_hostile_keys_are_refused(key: str) -> None:
    """No key reaches the server that could not be a path below a folder."""
    with pytest.raises(DataInvalid, match="is refused"):
        open_store("s3://bucket/root", settings.load()).delete(key)
