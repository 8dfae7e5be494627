"""Any S3-compatible object store (``AWS_ENDPOINT_URL_S3``) as a store.

``s3://b/p`` and ``s3://b/p/`` both mean the objects below ``p/`` and never ``p2/...``. ``s3://b/p`` may also
name one object: then ``list("")`` yields it alone, with the key "".
"""

import hashlib
import logging
import re
from collections.abc import Generator, Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from loraruner.errors import (
    DataInvalid,
    EnvironmentUnfit,
    InputMissing,
    IntegrityError,
    NoPermission,
    SpecInvalid,
    TemporaryFailure,
)
from loraruner.files import CHUNK_BYTES, Digest, digest_bytes
from loraruner.settings import Settings
from loraruner.stores import ranged, retry, s3_client, s3_probe, s3_put, s3_upload
from loraruner.stores.base import Capabilities, ObjectInfo
from loraruner.stores.keys import check_key
from loraruner.stores.ranged import Changed, Remote
from loraruner.stores.s3_ask import ask, none_when_missing
from loraruner.stores.s3_client import Tuning
from loraruner.stores.s3_errors import no_bucket, status_of, time_of, translated

log = logging.getLogger(__name__)

BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
MD5 = re.compile(r"[0-9a-f]{32}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def open_store(uri: str, settings: Settings) -> "S3Store":
    """The store at ``s3://BUCKET[/PREFIX]``; credentials and endpoint are botocore's own variables."""
    bucket, _, root = uri[len("s3://") :].partition("/")
    if not BUCKET.fullmatch(bucket):
        raise SpecInvalid(f"{uri}: {bucket!r} is no bucket name; write s3://BUCKET/PREFIX")
    return S3Store(uri, bucket, root)


class S3Store:
    """Objects below a prefix of one bucket. Its methods may be called from several threads."""

    def __init__(self, uri: str, bucket: str, root: str, tuning: Tuning | None = None) -> None:
        self.uri = uri
        self.tuning = s3_client.DEFAULT if tuning is None else tuning
        self.checksum_mode = "when_supported"  # until the probe knows better
        self._bucket = bucket
        self._root = check_key(root.rstrip("/"), uri)
        self._may_be_object = bool(self._root) and not root.endswith("/")
        self._bucket_seen = False

    @cached_property
    def _client(self) -> Any:
        return s3_client.open_client(self.uri, self.tuning)

    def tuned(self, tuning: Tuning) -> "S3Store":
        """The same place, asked in another way."""
        store = S3Store(self.uri, self._bucket, self._root, tuning)
        store.checksum_mode, store._may_be_object = self.checksum_mode, self._may_be_object
        return store

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
        request = {"Bucket": self._bucket, "Prefix": full_prefix}
        while True:
            page = ask(self._client.list_objects_v2, self.uri, request)
            for found in page.get("Contents", ()):
                if not found["Key"].endswith("/") and found["Key"].startswith(full_prefix):
                    key = check_key(found["Key"][len(self._prefix) :], self.uri)
                    yield ObjectInfo(key, int(found["Size"]), str(found.get("ETag", "")))
            following = page.get("NextContinuationToken")
            if not page.get("IsTruncated"):
                return
            if not following or following == request.get("ContinuationToken"):
                raise TemporaryFailure(f"{self.uri}: the store's list of objects has no end; start the job again")
            request["ContinuationToken"] = following

    def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        found = self._head(key)
        return None if found is None else ObjectInfo(key, int(found["ContentLength"]), str(found.get("ETag", "")))

    def _head(self, key: str) -> dict[str, Any] | None:
        if not key and not self._root:
            return None
        found: dict[str, Any] | None = ask(
            self._client.head_object, self._address(key), self._place(key), settle=none_when_missing
        )
        if found is None:
            self._require_bucket()
        return found

    def _require_bucket(self) -> None:
        """A HEAD's 404 has no body to tell a missing bucket from a missing key; one look tells it for good."""
        if self._bucket_seen:
            return
        try:
            found = ask(self._client.head_bucket, self.uri, {"Bucket": self._bucket}, settle=none_when_missing)
        except (NoPermission, TemporaryFailure, EnvironmentUnfit) as error:
            log.debug("%s: cannot tell whether the bucket exists: %s", self.uri, error)
            return
        if found is None:
            raise no_bucket(self.uri)
        self._bucket_seen = True

    def read(self, key: str, *, limit_bytes: int = 16 << 20) -> tuple[bytes, str]:
        """See ``Store.read``; the content is compared with the digest that our writes leave in the metadata.

        Of an object that somebody else wrote the ETag is mostly the MD5. Where it isn't, two reads must agree.
        """
        return retry.patiently(lambda: self._read(key, limit_bytes))

    def _read(self, key: str, limit_bytes: int) -> tuple[bytes, str]:
        data, etag, kept = self._read_once(key, limit_bytes)
        if kept:
            right = hashlib.sha256(data).hexdigest() == kept
        else:
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            right = md5 == etag.strip('"') or self._read_once(key, limit_bytes)[:2] == (data, etag)
        if not right:
            raise IntegrityError(f"{self._address(key)}: what is read differs from what was written; start again")
        return data, etag

    def _read_once(self, key: str, limit_bytes: int) -> tuple[bytes, str, str]:
        address = self._address(key)
        with translated(address):
            found = self._client.get_object(**self._place(key))
            with found["Body"]:
                size_bytes = int(found["ContentLength"])
                if size_bytes > limit_bytes:
                    raise DataInvalid(f"{address}: {size_bytes:,} bytes are more than the {limit_bytes:,} allowed here")
                return bytes(found["Body"].read()), str(found["ETag"]), _kept(found)

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> Digest:
        """See ``Store.download``; a broken download is continued by the next call with the same ``path``.

        Without ``sha256`` the one that our uploads leave in the object's metadata is used, else the ETag's MD5.
        """
        return ranged.fetch(lambda: self._find(key), path, sha256=sha256)

    def _find(self, key: str) -> Remote:
        found = self._head(key)
        if found is None:
            raise InputMissing(f"{self._address(key)}: there is no such object; check bucket and key")
        size_bytes, etag = int(found["ContentLength"]), str(found.get("ETag", ""))

        def open_range(start: int, length_bytes: int | None) -> Generator[bytes, None, None]:
            return self._range(key, etag, start, None if length_bytes == size_bytes else length_bytes)

        return Remote(
            uri=self._address(key),
            size_bytes=size_bytes,
            etag=etag,
            open_range=open_range,
            part_bytes=self.tuning.range_bytes,
            sha256=_kept(found) or None,
            md5=_md5(found),
        )

    def _range(self, key: str, etag: str, start: int, length_bytes: int | None) -> Generator[bytes, None, None]:
        """A range of exactly the content named by ``etag``; the whole object when the length is None."""
        from botocore.exceptions import ClientError

        condition = {"IfMatch": etag} if etag else {}
        if length_bytes is not None:
            condition["Range"] = f"bytes={start}-{start + length_bytes - 1}"
        with translated(self._address(key)):
            try:
                found = self._client.get_object(**self._place(key), **condition)
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
        return s3_put.put(self._target(key, if_absent, if_match), data, digest_bytes(data))

    def upload(self, path: Path, key: str, *, if_absent: bool = False, if_match: str | None = None) -> Digest:
        """See ``Store.upload``."""
        return s3_upload.upload_file(self._target(key, if_absent, if_match), path)

    def _target(self, key: str, if_absent: bool, if_match: str | None) -> s3_put.Target:
        return s3_put.Target(
            client=self._client,
            tuning=self.tuning,
            bucket=self._bucket,
            key=self._place(key)["Key"],
            address=self._address(key),
            checksum_mode=self.checksum_mode,
            condition=s3_put.condition(if_absent=if_absent, if_match=if_match),
        )

    def age_s(self, key: str) -> float | None:
        """See ``Store.age_s``; both times are of one answer, so that no other clock matters.

        Of two answers the younger age counts: a server behind the endpoint may have a wrong clock.
        """
        ages = [self._age_s(key), self._age_s(key)]
        return min((age for age in ages if age is not None), default=None)

    def _age_s(self, key: str) -> float | None:
        found = self._head(key)
        if found is None:
            raise InputMissing(f"{self._address(key)}: there is no such object; check bucket and key")
        written = found.get("LastModified")
        asked = time_of(found["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
        return None if written is None or asked is None else max(0.0, (asked - written).total_seconds())

    def abort_uploads(self) -> None:
        """Throw away every unfinished upload below the root, however young; probing does it with old ones."""
        s3_upload.abort_stale(self._client, self._bucket, self._prefix, older_than=timedelta(0))

    def delete(self, key: str) -> None:
        """See ``Store.delete``."""
        ask(self._client.delete_object, self._address(key), self._place(key))

    @property
    def _prefix(self) -> str:
        return f"{self._root}/" if self._root else ""

    def _place(self, key: str) -> dict[str, str]:
        full = f"{self._prefix}{check_key(key, self.uri)}" if key else self._root
        return {"Bucket": self._bucket, "Key": full}

    def _address(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._place(key)['Key']}"


def _kept(found: Mapping[str, Any]) -> str:
    """The digest that our writes leave with an object; "" where there is none."""
    kept = str(found.get("Metadata", {}).get(s3_put.SHA256, ""))
    return kept if SHA256.fullmatch(kept) else ""


def _md5(found: Mapping[str, Any]) -> str:
    """The MD5 of an object that was written in one request; "" where its ETag is something else."""
    etag = str(found.get("ETag", "")).strip('"')
    own_keys = found.get("SSECustomerAlgorithm") or str(found.get("ServerSideEncryption", "")).startswith("aws:kms")
    return etag if MD5.fullmatch(etag) and not own_keys else ""
