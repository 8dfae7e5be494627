"""Files to S3: one PUT when small, else parts of known length with a checksum each, from several workers."""

import base64
import hashlib
import logging
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loraruner.errors import InputMissing, IntegrityError, NoPermission, TemporaryFailure
from loraruner.files import CHUNK_BYTES, Digest, digest_bytes
from loraruner.stores import disk, parallel, retry
from loraruner.stores.s3_errors import Unsupported, code_of, translated

log = logging.getLogger(__name__)

PART_BYTES = 16 << 20
LARGEST_PUT_BYTES = 32 << 20
NUM_WORKERS = 4
MAX_PARTS = 10_000
STALE = timedelta(days=1)


@dataclass(frozen=True)
class Target:
    """Where one object goes. ``client`` retries by itself, ``single_try`` leaves that to the caller."""

    client: Any
    single_try: Any
    bucket: str
    key: str
    address: str
    checksum_mode: str

    @property
    def place(self) -> dict[str, str]:
        """The arguments that name the object."""
        return {"Bucket": self.bucket, "Key": self.key}


@dataclass(frozen=True)
class _Part:
    number: int
    start: int
    length_bytes: int
    sha256: str


def checksum(data: bytes, checksum_mode: str) -> dict[str, str]:
    """The header by which the store can check ``data``: SHA-256, or the older Content-MD5."""
    if checksum_mode == "when_supported":
        return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(data).digest()).decode()}
    return {"ContentMD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()}


def upload_file(target: Target, path: Path) -> Digest:
    """Send a file, look that it arrived in full, and return the digest of what was sent."""
    with disk.reading(path):
        small = path.stat().st_size <= LARGEST_PUT_BYTES
        data = path.read_bytes() if small else b""
    digest = _put(target, data) if small else _multipart(target, path)
    with translated(target.address):
        arrived_bytes = int(target.client.head_object(**target.place)["ContentLength"])
    if arrived_bytes != digest.size_bytes:
        raise IntegrityError(
            f"{target.address}: {arrived_bytes:,} bytes arrived of {digest.size_bytes:,}; start the job again"
        )
    log.debug("%s: %d bytes sent", target.address, digest.size_bytes)
    return digest


def _put(target: Target, data: bytes) -> Digest:
    digest = digest_bytes(data)

    def put() -> None:
        with translated(target.address):
            target.single_try.put_object(
                **target.place,
                Body=data,
                Metadata={"sha256": digest.sha256},
                **checksum(data, target.checksum_mode),
            )

    retry.patiently(put)
    return digest


def _multipart(target: Target, path: Path) -> Digest:
    with disk.reading(path), path.open("rb") as stream:
        parts, digest = _plan(stream.fileno())
        algorithm = {"ChecksumAlgorithm": "SHA256"} if target.checksum_mode == "when_supported" else {}
        with translated(target.address):
            answer = target.client.create_multipart_upload(
                **target.place, Metadata={"sha256": digest.sha256}, **algorithm
            )
        upload_id = str(answer["UploadId"])
        try:
            sent = _send_parts(target, upload_id, stream.fileno(), parts)
            _complete(target, upload_id, sent, digest)
        except BaseException:  # an interruption too must leave no invisible parts that cost money
            abort(target.client, target.bucket, target.key, upload_id)
            raise
    return digest


def _plan(descriptor: int) -> tuple[list[_Part], Digest]:
    """Cut the file into parts and hash each of them and the whole, in one pass."""
    size_bytes = os.fstat(descriptor).st_size
    part_bytes = max(PART_BYTES, -(-size_bytes // MAX_PARTS))
    whole = hashlib.sha256()
    parts: list[_Part] = []
    for start in range(0, size_bytes, part_bytes):
        end, sha = min(start + part_bytes, size_bytes), hashlib.sha256()
        for offset in range(start, end, CHUNK_BYTES):
            chunk = os.pread(descriptor, min(CHUNK_BYTES, end - offset), offset)
            sha.update(chunk)
            whole.update(chunk)
        parts.append(_Part(len(parts) + 1, start, end - start, sha.hexdigest()))
    return parts, Digest(size_bytes, whole.hexdigest())


def _send_parts(target: Target, upload_id: str, descriptor: int, parts: list[_Part]) -> list[dict[str, Any]]:
    """Send every part; the result is what CompleteMultipartUpload wants to hear."""
    sent: list[dict[str, Any]] = []

    def send(part: _Part, stop: threading.Event) -> dict[str, Any]:
        data = os.pread(descriptor, part.length_bytes, part.start)
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise IntegrityError(f"{target.address}: the file changed while it was sent; start the job again")
        fields = checksum(data, target.checksum_mode)

        def put() -> str:
            with translated(target.address):
                answer = target.single_try.upload_part(
                    **target.place, UploadId=upload_id, PartNumber=part.number, Body=data, **fields
                )
            return str(answer["ETag"])

        etag = retry.patiently(put, stop=stop)
        listed = {name: value for name, value in fields.items() if name == "ChecksumSHA256"}
        return {"PartNumber": part.number, "ETag": etag, **listed}

    parallel.run(send, parts, num_workers=NUM_WORKERS, consume=lambda _, line: sent.append(line))
    return sent


def _complete(target: Target, upload_id: str, sent: list[dict[str, Any]], digest: Digest) -> None:
    from botocore.exceptions import ClientError

    with translated(target.address):
        try:
            target.client.complete_multipart_upload(**target.place, UploadId=upload_id, MultipartUpload={"Parts": sent})
        except ClientError as error:
            # The answer to an earlier try was lost: the upload is gone because it became the object.
            if code_of(error) != "NoSuchUpload" or not _is_there(target, digest):
                raise


def _is_there(target: Target, digest: Digest) -> bool:
    found = target.client.head_object(**target.place)
    return (int(found["ContentLength"]), found["Metadata"].get("sha256")) == (
        digest.size_bytes,
        digest.sha256,
    )


def abort(client: Any, bucket: str, key: str, upload_id: str) -> None:
    """Throw an unfinished upload's parts away; a failure is logged, the first error matters more."""
    address = f"s3://{bucket}/{key}"
    try:
        with translated(address):
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    except InputMissing:
        return  # completed or aborted before
    except (NoPermission, TemporaryFailure, Unsupported) as error:
        log.warning("unfinished upload %s stays until a lifecycle rule removes it: %s", upload_id, error)


def abort_stale(client: Any, bucket: str, prefix: str) -> None:
    """Abort uploads below ``prefix`` that began more than a day ago: their processes are gone."""
    address = f"s3://{bucket}/{prefix}"
    try:
        with translated(address):
            uploads = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    except (NoPermission, TemporaryFailure, Unsupported) as error:
        log.info("unfinished uploads are not looked for: %s", error)
        return
    for upload in uploads:
        if upload["Key"].startswith(prefix) and upload["Initiated"] < datetime.now(UTC) - STALE:
            log.warning("s3://%s/%s: aborting an upload left since %s", bucket, upload["Key"], upload["Initiated"])
            abort(client, bucket, upload["Key"], upload["UploadId"])
