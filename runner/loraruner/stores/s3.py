"""Any S3-compatible object store (``AWS_ENDPOINT_URL_S3``) as a store.

``s3://b/p`` and ``s3://b/p/`` both mean the objects below ``p/`` and never ``p2/...``. ``s3://b/p`` may also
name one object: then ``list("")`` yields it alone, with the key "".
"""

import logging
import re
from collections.abc import Generator, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from loraruner.errors import DataInvalid, InputMissing, NoPermission, SpecInvalid
from loraruner.files import CHUNK_BYTES, Digest
from loraruner.settings import Settings
from loraruner.stores import ranged, retry, s3_probe, s3_upload
from loraruner.stores.base import Capabilities, ObjectInfo, PreconditionFailed
from loraruner.stores.keys import check_key
from loraruner.stores.ranged import Changed, Remote
from loraruner.stores.s3_client import open_client
from loraruner.stores.s3_errors import client_error, code_of, status_of, translated

log = logging.getLogger(__name__)

PART_BYTES = 16 << 20
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def open_store(uri: str, settings: Settings) -> "S3Store":
    """The store at ``s3://BUCKET[/PREFIX]``; credentials and endpoint are botocore's own variables."""
    bucket, _, root = uri[len("s3://") :].partition("/")
    if not BUCKET.fullmatch(bucket):
        raise SpecInvalid(f"{uri}: {bucket!r} is no bucket name; write s3://BUCKET/PREFIX")
    return S3Store(uri, bucket, root)


class S3Store:
    """Objects below a prefix of one bucket. Its methods may be called from several threads."""

    def __init__(self, uri: str, bucket: str, root: str) -> None:
        self.uri = uri
        self.checksum_mode = "when_supported"  # until the probe knows better
        self._bucket = bucket
        self._root = check_key(root.rstrip("/"), uri)
        self._may_be_object = bool(self._root) and not root.endswith("/")

    @cached_property
    def _client(self) -> Any:
        return open_client(self.uri)

    @cached_property
    def _single_try(self) -> Any:
        """For transfers, whose retries are ours: they cover the body, and end when the job is stopped."""
        return open_client(self.uri, num_tries=1)

    def probe(self) -> Capabilities:
        """See ``Store.probe``; also aborts uploads below the root that were left unfinished for a day."""
        capabilities = s3_probe.probe(self)
        s3_upload.abort_stale(self._client, self._bucket, self._prefix)
        return capabilities

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``Store.list``; keys that end in "/" are folder marks of other tools and left out."""
        single, denied = self._single() if not prefix and self._may_be_object else (None, None)
        if single is not None:
            return iter([single])
        found = sorted(self._pages(self._prefix + prefix), key=lambda info: info.key.encode())
        if denied is not None and not found:
            raise denied  # an object that may not be read is not an empty folder
        return iter(found)

    def _single(self) -> tuple[ObjectInfo | None, NoPermission | None]:
        try:
            return self.head(""), None
        except NoPermission as error:
            return None, error

    def _pages(self, full_prefix: str) -> Iterator[ObjectInfo]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=full_prefix)
        with translated(self.uri):
            for page in pages:
                for found in page.get("Contents", ()):
                    if not found["Key"].endswith("/") and found["Key"].startswith(full_prefix):
                        key = check_key(found["Key"][len(self._prefix) :], self.uri)
                        yield ObjectInfo(key, int(found["Size"]), str(found.get("ETag", "")))

    def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        found = self._head(key)
        return None if found is None else ObjectInfo(key, int(found["ContentLength"]), str(found.get("ETag", "")))

    def _head(self, key: str) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        if not key and not self._root:
            return None
        with translated(self._address(key)):
            try:
                found: dict[str, Any] = self._client.head_object(**self._place(key))
            except ClientError as error:
                if status_of(error) != 404:
                    raise
                self._require_bucket()
                return None
        return found

    def _require_bucket(self) -> None:
        """A HEAD's 404 has no body to tell a missing bucket from a missing key."""
        from botocore.exceptions import ClientError

        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if status_of(error) == 404:
                error.response["Error"]["Code"] = "NoSuchBucket"
                raise client_error(error, self.uri) from error
            log.debug("%s: cannot tell whether the bucket exists: %s", self.uri, error)

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        """See ``Store.read``."""
        return retry.patiently(lambda: self._read(key, limit_bytes))

    def _read(self, key: str, limit_bytes: int) -> tuple[bytes, str]:
        address = self._address(key)
        with translated(address):
            found = self._single_try.get_object(**self._place(key))
            with found["Body"]:
                size_bytes = int(found["ContentLength"])
                if size_bytes > limit_bytes:
                    raise DataInvalid(f"{address}: {size_bytes:,} bytes are more than the {limit_bytes:,} allowed here")
                return bytes(found["Body"].read()), str(found.get("ETag", ""))

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        """See ``Store.download``; a broken download is continued by the next call with the same ``path``.

        Without ``sha256`` the one that our uploads leave in the object's metadata is used.
        """
        return ranged.fetch(lambda: self._find(key), path, sha256=sha256)

    def _find(self, key: str) -> Remote:
        found = self._head(key)
        if found is None:
            raise InputMissing(f"{self._address(key)}: there is no such object; check bucket and key")
        size_bytes, etag = int(found["ContentLength"]), str(found.get("ETag", ""))
        kept = str(found.get("Metadata", {}).get("sha256", ""))

        def open_range(start: int, length_bytes: int | None) -> Generator[bytes, None, None]:
            return self._range(key, etag, start, None if length_bytes == size_bytes else length_bytes)

        return Remote(
            uri=self._address(key),
            size_bytes=size_bytes,
            etag=etag,
            open_range=open_range,
            part_bytes=PART_BYTES,
            sha256=kept if SHA256.fullmatch(kept) else None,
        )

    def _range(self, key: str, etag: str, start: int, length_bytes: int | None) -> Generator[bytes, None, None]:
        """A range of exactly the content named by ``etag``; the whole object when the length is None."""
        from botocore.exceptions import ClientError

        condition = {"IfMatch": etag} if etag else {}
        if length_bytes is not None:
            condition["Range"] = f"bytes={start}-{start + length_bytes - 1}"
        with translated(self._address(key)):
            try:
                found = self._single_try.get_object(**self._place(key), **condition)
            except ClientError as error:
                if status_of(error) == 412:
                    raise Changed("it was replaced meanwhile") from error
                raise
            with found["Body"]:
                if str(found.get("ETag", "")) != etag:
                    raise Changed("it was replaced meanwhile")
                while chunk := found["Body"].read(CHUNK_BYTES):
                    yield chunk

    def write(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        """See ``Store.write``."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if if_absent else {"IfMatch": if_match} if if_match is not None else {}
        fields = s3_upload.checksum(data, self.checksum_mode)
        with translated(self._address(key)):
            try:
                return str(self._client.put_object(**self._place(key), Body=data, **condition, **fields)["ETag"])
            except ClientError as error:
                if not condition or not _condition_failed(error):
                    raise
                etag = self._written_before(key, data, error)
                if etag is None:
                    raise PreconditionFailed(f"{self._address(key)}: is in another state than expected") from error
                return etag

    def _written_before(self, key: str, data: bytes, error: Any) -> str | None:
        """The ETag of our own write when only its answer was lost: the retry then meets its own object."""
        if not error.response["ResponseMetadata"].get("RetryAttempts"):
            return None
        found, etag = self.read(key, limit_bytes=max(len(data), 1 << 20))
        return etag if found == data else None

    def upload(self, path: Path, key: str) -> Digest:
        """See ``Store.upload``."""
        target = s3_upload.Target(
            client=self._client,
            single_try=self._single_try,
            bucket=self._bucket,
            key=self._place(key)["Key"],
            address=self._address(key),
            checksum_mode=self.checksum_mode,
        )
        return s3_upload.upload_file(target, path)

    def delete(self, key: str) -> None:
        """See ``Store.delete``."""
        with translated(self._address(key)):
            self._client.delete_object(**self._place(key))

    @property
    def _prefix(self) -> str:
        return f"{self._root}/" if self._root else ""

    def _place(self, key: str) -> dict[str, str]:
        full = f"{self._prefix}{check_key(key, self.uri)}" if key else self._root
        return {"Bucket": self._bucket, "Key": full}

    def _address(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._place(key)['Key']}"


def _condition_failed(error: Any) -> bool:
    # 409: another conditional write of this key is under way. 404: the object to replace is gone.
    return status_of(error) in (409, 412) or code_of(error) == "NoSuchKey"
