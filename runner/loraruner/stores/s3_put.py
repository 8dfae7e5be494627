"""Objects to S3 in one request, conditional or not; what is known about an object that is about to be written."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loraruner.files import Digest
from loraruner.stores.base import PreconditionFailed
from loraruner.stores.s3_ask import ask, none_when_missing
from loraruner.stores.s3_client import Tuning
from loraruner.stores.s3_errors import TEMPORARY, code_of, status_of

SHA256 = "sha256"  # metadata: what the content must be
WRITE = "loraruner-write"  # metadata: which write made the object


@dataclass(frozen=True)
class Target:
    """Where one object goes, by one write."""

    client: Any
    tuning: Tuning
    bucket: str
    key: str
    address: str
    checksum_mode: str
    condition: Mapping[str, str] = field(default_factory=dict)  # "IfNoneMatch" or "IfMatch"
    write: str = field(default_factory=lambda: secrets.token_hex(8))  # names this write

    @property
    def place(self) -> dict[str, str]:
        """The arguments that name the object."""
        return {"Bucket": self.bucket, "Key": self.key}

    def metadata(self, digest: Digest) -> dict[str, str]:
        """What is kept with the object: by it a reader knows the content, and a conditional write its own object."""
        return {SHA256: digest.sha256} | ({WRITE: self.write} if self.condition else {})


def condition(*, if_absent: bool, if_match: str | None) -> dict[str, str]:
    """The arguments of a request that is refused in another state of the object."""
    return {"IfNoneMatch": "*"} if if_absent else {"IfMatch": if_match} if if_match is not None else {}


def checksum(data: bytes, checksum_mode: str) -> dict[str, str]:
    """The header by which the store can check ``data``: SHA-256, or the older Content-MD5."""
    if checksum_mode == "when_supported":
        return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(data).digest()).decode()}
    return {"ContentMD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()}


def put(target: Target, data: bytes, digest: Digest) -> str:
    """Write an object in one request and return its ETag; PreconditionFailed when the condition does not hold."""
    answer = ask(
        target.client.put_object,
        target.address,
        {
            **target.place,
            "Body": data,
            "Metadata": target.metadata(digest),
            **checksum(data, target.checksum_mode),
            **target.condition,
        },
        settle=lambda error: settle(target, digest, error),
    )
    return str(answer["ETag"])


def settle(target: Target, digest: Digest, error: Any) -> Any:
    """The object as it is, if this very write made it and only the answer was lost; else raise what it means."""
    if not target.condition or not _condition_failed(error):
        raise error
    found = own(target, digest)
    if found is None:
        raise PreconditionFailed(f"{target.address}: is in another state than expected") from error
    return found


def own(target: Target, digest: Digest) -> Any:
    """The answer to a HEAD of the object, if this write made it; else None."""
    from botocore.exceptions import ClientError

    try:
        found = target.client.head_object(**target.place)
    except ClientError as error:
        return none_when_missing(error)
    same = int(found["ContentLength"]) == digest.size_bytes
    wanted = target.metadata(digest)
    return found if same and {name: found["Metadata"].get(name) for name in wanted} == wanted else None


def _condition_failed(error: Any) -> bool:
    # 409: another conditional write came first. 404: the object to replace is gone.
    return (status_of(error) in (409, 412) and code_of(error) not in TEMPORARY) or code_of(error) == "NoSuchKey"
