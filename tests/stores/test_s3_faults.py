"""What the S3 store makes of answers that are wrong, lost or senseless."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from loraruner.errors import EnvironmentUnfit, ExitCode, IntegrityError, NoPermission, TemporaryFailure
from loraruner.faults.proxy import Proxy, Seen, once
from loraruner.files import digest_bytes
from loraruner.stores.retry import Later, Skewed
from loraruner.stores.s3 import S3Store
from loraruner.stores.s3_errors import client_error, translated
from tests.support.s3_server import OpenS3

LARGE = (33 << 20) + 7


def is_get(seen: Seen) -> bool:
    return seen.method == "GET"


def is_put(seen: Seen) -> bool:
    return seen.method == "PUT"


def refusal(status: int, code: str, **headers: str) -> Any:
    """botocore's error for an answer."""
    from botocore.exceptions import ClientError

    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "HeadObject")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "error", [AttributeError("strip"), KeyError("ETag"), ValueError("no number"), TypeError("None")]
)
def test_an_answer_without_sense(error: Exception) -> None:
    """What botocore stumbles over in an answer is a store that may be right the next time: 75."""
    with pytest.raises(TemporaryFailure, match=r"s3://b/k: the store's answer makes no sense"), translated("s3://b/k"):
        raise error


@pytest.mark.parametrize(
    ("status", "code", "headers", "kind", "exit_code"),
    [
        (503, "SlowDown", {"retry-after": "7"}, Later, 75),
        (503, "SlowDown", {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, TemporaryFailure, 75),
        (200, "Whatever", {}, TemporaryFailure, 75),
        (400, "IncompleteBody", {}, TemporaryFailure, 75),
        (409, "ConditionalRequestConflict", {}, TemporaryFailure, 75),
        (404, "NoSuchUpload", {}, Exception, 75),
        (400, "InvalidPart", {}, Exception, 75),
        (403, "RequestTimeTooSkewed", {}, Skewed, 78),
        (400, "Odd", {}, EnvironmentUnfit, 78),
    ],
)
def test_codes_of_refusals(status: int, code: str, headers: dict[str, str], kind: type, exit_code: int) -> None:
    """Every refusal has a code of the table, and a pause that was asked for comes along."""
    error = client_error(refusal(status, code, **headers), "s3://b/k")
    assert isinstance(error, kind) and error.code == exit_code
    assert not isinstance(error, Later) or error.wait_s == 7


@pytest.mark.parametrize(("hours", "expected"), [(-1, ExitCode.ENVIRONMENT), (0, ExitCode.NO_PERMISSION)])
def test_a_denied_head_tells_a_wrong_clock(hours: int, expected: ExitCode) -> None:
    """A HEAD's 403 says no reason: with a Date far from ours the clock is to blame, else the permission."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    assert client_error(refusal(403, "403", date=date), "s3://b/k").code == expected


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["flip", "shortened", "chunked", "cut", "broken", "failed-200"])
@pytest.mark.parametrize("ours", [True, False])
def test_a_small_object_is_read_right(open_s3: OpenS3, proxy: Proxy, fault: str, ours: bool) -> None:
    """One damaged answer is found by our digest, or by the MD5 that the ETag of anybody's small object is."""
    direct, data = open_s3(), Random(1).randbytes(2000)
    if ours:
        direct.write("k", data)
    else:
        direct._client.put_object(Bucket=direct._bucket, Key=f"{direct._root}/k", Body=data)
    store = open_s3(via=proxy.endpoint)
    proxy.fault = once(is_get, fault)
    assert store.read("k") == direct.read("k") and store.read("k")[0] == data
    assert proxy.num_injected == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["flip", "shortened", "chunked"])
def test_a_foreign_file_is_downloaded_right(open_s3: OpenS3, proxy: Proxy, tmp_path: Path, fault: str) -> None:
    """A damaged answer is found although nobody named a digest: the ETag of a file in one piece is its MD5."""
    store, data = open_s3(via=proxy.endpoint), Random(3).randbytes(100_000)
    store._client.put_object(Bucket=store._bucket, Key=f"{store._root}/k", Body=data)
    proxy.fault = once(is_get, fault)
    assert store.download("k", tmp_path / "k") == digest_bytes(data)
    assert (tmp_path / "k").read_bytes() == data and proxy.num_injected == 1


@pytest.mark.slow
def test_an_object_whose_etag_is_no_md5(open_s3: OpenS3, tmp_path: Path) -> None:
    """It is read twice, and accepted when both agree."""
    store = open_s3()
    place = {"Bucket": store._bucket, "Key": f"{store._root}/k"}
    upload = store._client.create_multipart_upload(**place)["UploadId"]
    etag = store._client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"data")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    store._client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    assert store.read("k")[0] == b"data"


@pytest.mark.slow
def test_lasting_damage_of_a_small_object(open_s3: OpenS3, proxy: Proxy) -> None:
    """Bytes that stay wrong end with 74."""
    open_s3().write("k", b"data")
    store = open_s3(via=proxy.endpoint)
    proxy.fault = lambda seen: "flip" if is_get(seen) else None
    with pytest.raises(IntegrityError, match="differs from what was written"):
        store.read("k")


@pytest.mark.slow
@pytest.mark.parametrize("size", [100, LARGE])
def test_a_write_that_arrives_twice(open_s3: OpenS3, proxy: Proxy, tmp_path: Path, size: int) -> None:
    """The refusal that the second of two equal requests meets is no lost race: the object knows its write."""
    store = open_s3(via=proxy.endpoint)
    (tmp_path / "file").write_bytes(bytes(size))
    proxy.fault = lambda seen: "twice" if seen.method == "POST" or (is_put(seen) and "partN" not in seen.path) else None
    digest = store.upload(tmp_path / "file", "k", if_absent=True)
    etag = store.write("small", b"1", if_absent=True)
    store.write("small", b"2", if_match=etag)
    assert store.download("k", tmp_path / "back") == digest and store.read("small")[0] == b"2"


@pytest.mark.slow
def test_parts_that_the_store_lost(open_s3: OpenS3, proxy: Proxy, tmp_path: Path) -> None:
    """When the store does not know the parts it took, the file is sent again from its beginning."""
    store = open_s3(via=proxy.endpoint)
    (tmp_path / "file").write_bytes(Random(2).randbytes(LARGE))
    proxy.fault = once(lambda seen: "partNumber=2" in seen.path, "etag")
    digest = store.upload(tmp_path / "file", "k")
    assert store.download("k", tmp_path / "back") == digest
    assert [seen.path.endswith("uploads") for seen in proxy.seen].count(True) == 2


@pytest.mark.slow
def test_a_damaged_write_is_refused_and_repeated(open_s3: OpenS3, proxy: Proxy) -> None:
    """A bit that flips on the way to the store is found there by the checksum that we send."""
    store = open_s3(via=proxy.endpoint)
    proxy.fault = once(is_put, "flip-sent")
    store.write("k", b"data" * 100)
    assert store.read("k")[0] == b"data" * 100
    assert len([seen for seen in proxy.seen if is_put(seen)]) == 2


@pytest.mark.slow
def test_a_wrong_date_does_not_age_an_object(open_s3: OpenS3, proxy: Proxy) -> None:
    """Of two answers the younger age counts; an answer without a date tells nothing."""
    store = open_s3(via=proxy.endpoint)
    store.write("k", b"1")
    proxy.fault = once(lambda seen: seen.method == "HEAD", "date")
    age_s = store.age_s("k")
    assert age_s is not None and age_s < 60 and proxy.num_injected == 1


@pytest.mark.slow
def test_a_list_without_end(open_s3: OpenS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that gives the same page for ever ends with 75, not in a loop."""
    store = open_s3()
    page = {"Contents": [], "IsTruncated": True, "NextContinuationToken": "again"}
    monkeypatch.setattr(store._client, "list_objects_v2", lambda **_: page)
    with pytest.raises(TemporaryFailure, match="has no end"):
        list(store.list("x"))


@pytest.mark.slow
def test_pages(open_s3: OpenS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of several pages is whole."""
    store = open_s3()
    keys = [f"k{number}" for number in range(5)]
    for key in keys:
        store.write(key, b"")
    true = store._client.list_objects_v2
    monkeypatch.setattr(store._client, "list_objects_v2", lambda **named: true(MaxKeys=2, **named))
    assert [info.key for info in store.list("k")] == keys


@pytest.mark.slow
def test_expired_credentials(open_s3: OpenS3, proxy: Proxy) -> None:
    """A token that expires in mid-run is 77 at once and names the variable."""
    store: S3Store = open_s3(via=proxy.endpoint)
    store.write("k", b"1")
    proxy.fault = lambda seen: "expired"
    with pytest.raises(NoPermission, match="AWS_SESSION_TOKEN has expired"):
        store.read("k")
    assert proxy.num_injected == 1


@pytest.mark.slow
def test_uploads_of_a_trial_are_aborted(open_s3: OpenS3) -> None:
    """``abort_uploads`` removes unfinished uploads below the root, however young."""
    store = open_s3("mine")
    for key in ("a", "b"):
        store._client.create_multipart_upload(Bucket=store._bucket, Key=f"{store._root}/{key}")
    store.abort_uploads()
    assert "Uploads" not in store._client.list_multipart_uploads(Bucket=store._bucket, Prefix=store._root)
