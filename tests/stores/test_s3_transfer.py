"""Transfers with a real S3 server: whole, damaged, broken off, interrupted."""

import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from types import FrameType

import pytest

from loraruner.errors import IntegrityError, LoraRunerError, NoPermission, Preempted, TemporaryFailure
from loraruner.faults.proxy import Proxy, Seen, once
from loraruner.files import digest_bytes
from loraruner.stores.s3 import S3Store

pytestmark = pytest.mark.slow
OpenS3 = Callable[..., S3Store]
SIZE = 5 * (1 << 20) + 12345  # six parts of 1 MiB


def upload(store: S3Store, folder: Path, data: bytes, key: str = "file") -> None:
    source = folder / f"source-{key}"
    source.write_bytes(data)
    assert store.upload(source, key) == digest_bytes(data)


def transfer_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("transfer")]


def unfinished_uploads(store: S3Store) -> list[str]:
    """Keys with invisible parts, below the store's root and beside it."""
    found = store._client.list_multipart_uploads(Bucket=store._bucket).get("Uploads", [])
    return sorted(upload["Key"] for upload in found if upload["Key"].startswith(store._root))


def is_part(seen: Seen) -> bool:
    return bool(seen.range)


@pytest.mark.parametrize("size", [0, 1, (4 << 20) + 3, (33 << 20) + 7])
def test_round_trip(open_s3: OpenS3, tmp_path: Path, size: int) -> None:
    """Small and multipart objects come back with the bytes, size and digest they had, and leave no litter."""
    store, data = open_s3(), Random(size).randbytes(size)
    upload(store, tmp_path, data)
    target = tmp_path / "new/target"
    assert store.download("file", target, sha256=digest_bytes(data).sha256) == digest_bytes(data)
    assert target.read_bytes() == data
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    found = store.head("file")
    assert found is not None and found.size_bytes == size and [found] == list(store.list())


def test_ranges_cover_the_object_once(open_s3: OpenS3, proxy: Proxy, tmp_path: Path, small_parts: int) -> None:
    """A large object is fetched by ranges, each exactly once."""
    data = Random(1).randbytes(SIZE)
    upload(open_s3(), tmp_path, data)
    open_s3(via=proxy.endpoint).download("file", tmp_path / "target")
    starts = range(0, SIZE, small_parts)
    assert sorted(proxy.ranges()) == [f"bytes={s}-{min(s + small_parts, SIZE) - 1}" for s in starts]


@pytest.mark.usefixtures("one_worker")
def test_resume_fetches_only_what_is_missing(open_s3: OpenS3, proxy: Proxy, tmp_path: Path, small_parts: int) -> None:
    """After a break the next call keeps the finished parts, but not one damaged on the disk meanwhile."""
    data = Random(2).randbytes(SIZE)
    upload(open_s3(), tmp_path, data)
    store, target = open_s3(via=proxy.endpoint), tmp_path / "target"
    last = f"bytes={5 * small_parts}-"
    proxy.fault = lambda seen: "403" if seen.range.startswith(last) else None
    with pytest.raises(NoPermission):
        store.download("file", target)
    assert not target.exists()
    with next(tmp_path.glob(".target.*.partial")).open("r+b") as partial:
        partial.write(bytes([data[0] ^ 1]))
    proxy.fault, proxy.seen = lambda seen: None, []
    assert store.download("file", target) == digest_bytes(data)
    assert proxy.ranges() == [f"bytes=0-{small_parts - 1}", f"{last}{SIZE - 1}"]
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("fault", ["cut", "503", "429"])
def test_passing_faults_are_cured(open_s3: OpenS3, proxy: Proxy, tmp_path: Path, small_parts: int, fault: str) -> None:
    """A truncated body and a 503 that carries a checksum header cost one part's retry, not the download."""
    data = Random(3).randbytes(SIZE)
    upload(open_s3(), tmp_path, data)
    proxy.fault = once(is_part, fault)
    assert open_s3(via=proxy.endpoint).download("file", tmp_path / "target") == digest_bytes(data)
    assert len(proxy.ranges()) == 7


def test_a_flipped_bit_is_found_and_cured(open_s3: OpenS3, proxy: Proxy, tmp_path: Path, small_parts: int) -> None:
    """One bit that flips in a ranged answer makes the object be fetched again."""
    data = Random(4).randbytes(SIZE)
    upload(open_s3(), tmp_path, data)
    proxy.fault = once(is_part, "flip")
    digest = open_s3(via=proxy.endpoint).download("file", tmp_path / "target", sha256=digest_bytes(data).sha256)
    assert digest == digest_bytes(data)
    assert len(proxy.ranges()) == 12


def test_lasting_damage_is_an_integrity_error(open_s3: OpenS3, proxy: Proxy, tmp_path: Path, small_parts: int) -> None:
    """Bytes unlike the digest that our upload left end with 74 after three downloads; nothing remains."""
    upload(open_s3(), tmp_path, Random(5).randbytes(SIZE))
    proxy.fault = lambda seen: "flip" if seen.range.startswith("bytes=0-") else None
    with pytest.raises(IntegrityError, match="after 3 downloads"):
        open_s3(via=proxy.endpoint).download("file", tmp_path / "target")
    assert not (tmp_path / "target").exists() and list(tmp_path.glob(".*")) == []


def test_an_object_replaced_while_it_is_read(open_s3: OpenS3, proxy: Proxy, tmp_path: Path, small_parts: int) -> None:
    """Parts of two contents are never mixed: the new object is fetched from its beginning."""
    direct, new = open_s3(), Random(7).randbytes(SIZE)
    upload(direct, tmp_path, Random(6).randbytes(SIZE))
    store = open_s3(via=proxy.endpoint)
    replaced = threading.Event()

    def fault(seen: Seen) -> None:
        if seen.range.startswith(f"bytes={small_parts}-") and not replaced.is_set():
            replaced.set()
            upload(direct, tmp_path, new)

    proxy.fault = fault
    assert store.download("file", tmp_path / "target") == digest_bytes(new)


def test_a_lost_answer_to_the_last_request_of_an_upload(open_s3: OpenS3, proxy: Proxy, tmp_path: Path) -> None:
    """When the store completed a multipart upload but its answer was lost, the upload counts as done."""
    store = open_s3(via=proxy.endpoint)
    proxy.fault = once(lambda seen: seen.method == "POST" and "uploadId=" in seen.path, "lost")
    upload(store, tmp_path, Random(8).randbytes(33 << 20))


def test_a_failed_upload_leaves_nothing(open_s3: OpenS3, proxy: Proxy, tmp_path: Path) -> None:
    """An upload that cannot go on is aborted: neither an object nor invisible parts remain."""
    store = open_s3(via=proxy.endpoint)
    proxy.fault = lambda seen: "403" if "partNumber=2" in seen.path else None
    with pytest.raises(NoPermission, match=r"s3:PutObject"):
        upload(store, tmp_path, Random(9).randbytes(33 << 20))
    assert store.head("file") is None
    assert unfinished_uploads(store) == []
    assert [seen.method for seen in proxy.seen].count("DELETE") == 1


def test_stale_uploads_are_aborted_by_the_probe(open_s3: OpenS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe aborts old unfinished uploads below its own root, not those beside it and not young ones."""
    store = open_s3("mine")
    keys = [f"{store._root}/a", f"{store._root}2/b"]
    for key in keys:
        store._client.create_multipart_upload(Bucket=store._bucket, Key=key)
    store.probe()
    assert unfinished_uploads(store) == keys
    monkeypatch.setattr("loraruner.stores.s3_upload.STALE", timedelta(hours=-1))
    store.probe()
    assert unfinished_uploads(store) == keys[1:]


def test_a_signal_ends_a_download(
    open_s3: OpenS3, proxy: Proxy, tmp_path: Path, small_parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error raised by a signal handler passes through at once; no thread and no visible file remain."""
    upload(open_s3(), tmp_path, Random(10).randbytes(SIZE))
    store = open_s3(via=proxy.endpoint)
    monkeypatch.setattr("loraruner.stores.retry.FIRST_PAUSE_S", 20.0)
    proxy.fault = lambda seen: "503" if seen.range.startswith("bytes=0-") else None
    assert_preempted(lambda: store.download("file", tmp_path / "target"), within_s=3)
    assert not (tmp_path / "target").exists() and transfer_threads() == []


def test_a_signal_ends_a_request(open_s3: OpenS3, proxy: Proxy) -> None:
    """botocore, which wraps and retries every exception, does not swallow that of a signal handler."""
    store = open_s3(via=proxy.endpoint)
    proxy.fault = lambda seen: "stall"
    assert_preempted(lambda: store.head("file"), within_s=3)
    assert len(proxy.seen) == 1


def assert_preempted(call: Callable[[], object], *, within_s: float) -> None:
    def handler(number: int, frame: FrameType | None) -> None:
        raise Preempted("stopped by a signal")

    before = signal.signal(signal.SIGALRM, handler)
    begun = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(LoraRunerError, match="stopped by a signal"):
            call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begun < within_s


def test_two_downloads_to_one_place(open_s3: OpenS3, tmp_path: Path, small_parts: int) -> None:
    """Two concurrent downloads to the same path use different temporary names and both succeed."""
    data = Random(11).randbytes(SIZE)
    store = open_s3()
    upload(store, tmp_path, data)
    digests = []
    threads = [
        threading.Thread(target=lambda: digests.append(store.download("file", tmp_path / "target"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [digest_bytes(data)] * 3
    assert (tmp_path / "target").read_bytes() == data and list(tmp_path.glob(".*")) == []


def test_a_store_that_stays_down(open_s3: OpenS3, proxy: Proxy, tmp_path: Path) -> None:
    """A store that answers 503 for ever ends with 75 and its address."""
    store = open_s3(via=proxy.endpoint)
    upload(open_s3(), tmp_path, b"data")
    proxy.fault = lambda seen: "503" if seen.method == "GET" else None
    with pytest.raises(TemporaryFailure, match=r"root/file: the store is unavailable \(503 SlowDown"):
        store.download("file", tmp_path / "target")
