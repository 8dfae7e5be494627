"""Files to S3: one PUT when small, else parts of known length with a checksum each, from several workers."""

import hashlib
import logging
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loraruner.errors import EnvironmentUnfit, InputMissing, IntegrityError, NoPermission, TemporaryFailure
from loraruner.files import CHUNK_BYTES, Digest, digest_bytes
from loraruner.stores import disk, parallel
from loraruner.stores.base import PreconditionFailed
from loraruner.stores.s3_ask import ask, none_when_missing
from loraruner.stores.s3_errors import UploadLost, code_of
from loraruner.stores.s3_put import SHA256, Target, checksum, own, put, settle

log = logging.getLogger(__name__)

NUM_UPLOADS = 3
NUM_WORKERS = 4
MAX_PARTS = 10_000
STALE = timedelta(days=1)


@dataclass(frozen=True)
class _Part:
    number: int
    start: int
    length_bytes: int
    sha256: str


def upload_file(target: Target, path: Path) -> Digest:
    """Send a file, look that it arrived in full, and return the digest of what was sent.

    Raises PreconditionFailed when the target's condition does not hold. What the store lost on the way is
    sent again from the beginning.
    """
    for number in range(1, NUM_UPLOADS):
        try:
            return _upload_once(target, path)
        except (UploadLost, IntegrityError) as error:
            log.warning("%s: upload %d of %d is useless: %s", target.address, number, NUM_UPLOADS, error)
    return _upload_once(target, path)


def _upload_once(target: Target, path: Path) -> Digest:
    with disk.reading(path):
        small = path.stat().st_size <= target.tuning.largest_put_bytes
        data = path.read_bytes() if small else b""
    if small:
        digest = digest_bytes(data)
        put(target, data, digest)
    else:
        digest = _multipart(target, path)
    _look(target, digest)
    log.debug("%s: %d bytes sent", target.address, digest.size_bytes)
    return digest


def _look(target: Target, digest: Digest) -> None:
    """Raise IntegrityError unless the object has the size, and the digest if the store keeps it, of what was sent."""
    found = ask(target.client.head_object, target.address, target.place)
    arrived_bytes, kept = int(found.get("ContentLength", -1)), found["Metadata"].get(SHA256, digest.sha256)
    if (arrived_bytes, kept) != (digest.size_bytes, digest.sha256):
        raise IntegrityError(
            f"{target.address}: {arrived_bytes:,} bytes arrived of {digest.size_bytes:,}, or those of another "
            "writer; start the job again"
        )


def _multipart(target: Target, path: Path) -> Digest:
    with disk.reading(path), path.open("rb") as stream:
        parts, digest = _plan(stream.fileno(), target.tuning.part_bytes)
        if (target.condition.get("IfNoneMatch")) and ask(
            target.client.head_object, target.address, target.place, settle=none_when_missing
        ):
            raise PreconditionFailed(f"{target.address}: exists already")  # told before gigabytes are sent
        algorithm = {"ChecksumAlgorithm": "SHA256"} if target.checksum_mode == "when_supported" else {}
        begin = {**target.place, "Metadata": target.metadata(digest), **algorithm}
        upload_id = str(ask(target.client.create_multipart_upload, target.address, begin)["UploadId"])
        try:
            sent = _send_parts(target, upload_id, stream.fileno(), parts)
            _complete(target, upload_id, sent, digest)
        except BaseException:  # an interruption too must leave no invisible parts that cost money
            abort(target.client, target.bucket, target.key, upload_id)
            raise
    return digest


def _plan(descriptor: int, least_bytes: int) -> tuple[list[_Part], Digest]:
    """Cut the file into parts and hash each of them and the whole, in one pass."""
    size_bytes = os.fstat(descriptor).st_size
    part_bytes = max(least_bytes, -(-size_bytes // MAX_PARTS))
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
        place = {**target.place, "UploadId": upload_id, "PartNumber": part.number}
        answer = ask(target.client.upload_part, target.address, {**place, "Body": data, **fields}, stop=stop)
        listed = {name: value for name, value in fields.items() if name == "ChecksumSHA256"}
        return {"PartNumber": part.number, "ETag": str(answer["ETag"]), **listed}

    parallel.run(send, parts, num_workers=NUM_WORKERS, consume=lambda _, line: sent.append(line))
    return sent


def _complete(target: Target, upload_id: str, sent: list[dict[str, Any]], digest: Digest) -> None:
    def settle_completion(error: Any) -> Any:
        # The answer to an earlier try was lost: the upload is gone because it became the object.
        if code_of(error) == "NoSuchUpload" and (found := own(target, digest)) is not None:
            return found
        return settle(target, digest, error)

    request = {**target.place, "UploadId": upload_id, "MultipartUpload": {"Parts": sent}, **target.condition}
    ask(target.client.complete_multipart_upload, target.address, request, settle=settle_completion)


def abort(client: Any, bucket: str, key: str, upload_id: str) -> None:
    """Throw an unfinished upload's parts away; a failure is logged, the first error matters more."""
    address = f"s3://{bucket}/{key}"
    try:
        ask(client.abort_multipart_upload, address, {"Bucket": bucket, "Key": key, "UploadId": upload_id})
    except (InputMissing, UploadLost):
        return  # completed or aborted before
    except (NoPermission, TemporaryFailure, EnvironmentUnfit) as error:
        log.warning("unfinished upload %s stays until a lifecycle rule removes it: %s", upload_id, error)


def abort_stale(client: Any, bucket: str, prefix: str, *, older_than: timedelta | None = None) -> None:
    """Abort uploads below ``prefix`` that began more than a day ago: their processes are gone."""
    limit = datetime.now(UTC) - (STALE if older_than is None else older_than)
    try:
        answer = ask(client.list_multipart_uploads, f"s3://{bucket}/{prefix}", {"Bucket": bucket, "Prefix": prefix})
    except (NoPermission, TemporaryFailure, EnvironmentUnfit) as error:
        log.info("unfinished uploads are not looked for: %s", error)
        return
    for upload in answer.get("Uploads", []):
        if upload["Key"].startswith(prefix) and upload["Initiated"] < limit:
            log.warning("s3://%s/%s: aborting an upload left since %s", bucket, upload["Key"], upload["Initiated"])
            abort(client, bucket, upload["Key"], upload["UploadId"])
