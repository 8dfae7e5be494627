"""What botocore's errors mean for a run. Only a proven 404 means "not there"; 403 never does."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from loraruner.errors import (
    EnvironmentUnfit,
    ExitCode,
    InputMissing,
    IntegrityError,
    LoraRunerError,
    NoPermission,
    SpecInvalid,
    TemporaryFailure,
)
from loraruner.stores.retry import Later, Skewed


class Unsupported(EnvironmentUnfit):
    """The store refuses this kind of request, whatever it asks for."""


class UploadLost(LoraRunerError):
    """The store does not know a multipart upload, or its parts, any more: only a new one helps."""

    code = ExitCode.TEMPFAIL
    retry_helps = True


DENIED = {
    "InvalidAccessKeyId": "AWS_ACCESS_KEY_ID is not known there",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID",
    "ExpiredToken": "AWS_SESSION_TOKEN has expired",
    "InvalidToken": "AWS_SESSION_TOKEN is not valid",
    "TokenRefreshRequired": "AWS_SESSION_TOKEN has expired",
}
PERMISSIONS = {
    "HeadObject": "s3:GetObject (and s3:ListBucket, without which a missing object reads as denied)",
    "GetObject": "s3:GetObject (and s3:ListBucket, without which a missing object reads as denied)",
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
}
TEMPORARY = {
    "SlowDown",
    "RequestTimeout",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "InternalError",
    "IncompleteBody",
    "OperationAborted",
    "ConditionalRequestConflict",  # another conditional write of this key is under way
}
LOST = {"NoSuchUpload", "InvalidPart", "InvalidPartOrder"}
# What botocore raises when an answer has not the form it must have: no ETag, a header that is no number.
NO_SENSE = (AttributeError, TypeError, ValueError, LookupError)
DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
LARGEST_SKEW = timedelta(minutes=15)
NO_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE)"


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raise the errors of ``loraruner.errors`` for botocore's; ``address`` is what was read or written."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        raise client_error(error, address) from error
    except BotoCoreError as error:
        raise _botocore_error(error, address) from error
    except (HTTPError, ResponseParserError, OSError) as error:
        raise TemporaryFailure(f"{address}: the transfer broke off ({error}); start the job again") from error
    except NO_SENSE as error:
        raise TemporaryFailure(
            f"{address}: the store's answer makes no sense ({error!r}); start the job again"
        ) from error


def status_of(error: Any) -> int:
    """The HTTP status of a ClientError; 0 when there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: Any) -> str:
    """The store's own error code of a ClientError, such as ``NoSuchKey``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def client_error(error: Any, address: str) -> LoraRunerError:
    """The store answered, but not with success."""
    status, code, operation = status_of(error), code_of(error), str(error.operation_name)
    said = f"{status} {code}" if code != str(status) else code
    if code == "NoSuchBucket":
        return no_bucket(address)
    if code == "RequestTimeTooSkewed" or (status == 403 and code == "403" and _clocks_differ(error)):
        return Skewed(f"{address}: the store refuses this machine's clock ({said}); set the clock")
    if status in (401, 403) or code in DENIED:
        why = DENIED.get(code) or f"allow {PERMISSIONS.get(operation, 's3:PutObject')} for these credentials"
        return NoPermission(f"{address}: access denied ({said} on {operation}): {why}")
    if code in DAMAGED:
        return IntegrityError(f"{address}: the store received other bytes than were sent ({said}); start the job again")
    if status == 501 or code == "NotImplemented":
        return Unsupported(f"{address}: the store does not know {operation} ({said}); use another store")
    if code in LOST:
        return UploadLost(f"{address}: the store lost an upload or a part of it ({said}); start the job again")
    if status in (200, 429) or status >= 500 or code in TEMPORARY:  # 200: success, with an error in the body
        return _unavailable(error, f"{address}: the store is unavailable ({said} on {operation}); start the job again")
    if status == 404:
        return InputMissing(f"{address}: there is no such object; check bucket and key")
    if status == 301:
        return SpecInvalid(f"{address}: the bucket is in another region ({said}); set AWS_REGION")
    return Unsupported(f"{address}: the store refused {operation} ({said}); check the endpoint and its log")


def _clocks_differ(error: Any) -> bool:
    """Whether the store's Date is so far from our time that no signature holds; a HEAD's 403 has no body to say it."""
    told = time_of(error.response["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
    return told is not None and abs(datetime.now(UTC) - told) > LARGEST_SKEW


def time_of(date: str) -> datetime | None:
    """The moment in a Date header; None when it names none with a zone."""
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _unavailable(error: Any, text: str) -> TemporaryFailure:
    asked = str(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    return Later(text, float(asked)) if asked.isascii() and asked.isdigit() else TemporaryFailure(text)


def no_bucket(address: str) -> InputMissing:
    """The error for a bucket that is not there."""
    bucket = address.removeprefix("s3://").partition("/")[0]
    return InputMissing(f"{address}: the bucket {bucket!r} does not exist; create it or correct the address")


def _botocore_error(error: Any, address: str) -> LoraRunerError:
    """The store could not be asked: no credentials, no connection, a bad setting."""
    from botocore import exceptions as known

    denied = (
        known.NoCredentialsError,
        known.PartialCredentialsError,
        known.CredentialRetrievalError,
        known.TokenRetrievalError,
        known.NoAuthTokenError,
        known.SSOError,
        known.LoginError,
    )
    if isinstance(error, denied):
        return NoPermission(f"{address}: no usable credentials ({error}); {NO_CREDENTIALS}")
    if isinstance(error, known.SSLError):
        return EnvironmentUnfit(f"{address}: TLS failed ({error}); set AWS_CA_BUNDLE to the store's CA certificate")
    unreached = (known.HTTPClientError, known.ConnectionError, known.IncompleteReadError)
    if isinstance(error, unreached):
        return TemporaryFailure(
            f"{address}: the store cannot be reached ({error}); check AWS_ENDPOINT_URL_S3, try again"
        )
    if isinstance(error, known.ParamValidationError):
        return SpecInvalid(f"{address}: not a valid S3 address ({error}); correct bucket or key")
    return EnvironmentUnfit(f"{address}: the S3 client is set up wrongly ({error}); correct the AWS_* variables")
