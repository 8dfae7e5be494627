"""How the S3 client is set up: retries, timeouts, checksums, and who may interrupt it."""

from typing import Any

from loraruner.errors import EnvironmentUnfit, LoraRunerError, NoPermission

CONTROL_TRIES = 6
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
NUM_CONNECTIONS = 16


def open_client(address: str, *, num_tries: int = CONTROL_TRIES) -> Any:
    """A botocore S3 client. Endpoint, region and credentials come from the AWS_* variables and files.

    botocore uses path-style addresses by itself for an endpoint of one's own, unless its configuration says
    otherwise. Its own checksums stay off: its trailers end up inside files on some stores, and its validation
    rejects good ranged answers of others. We send explicit checksum headers and trust our own SHA-256 alone.
    """
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise EnvironmentUnfit(f"{address}: boto3 is not installed; install loraruner[s3]") from error
    config = Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": num_tries},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=NUM_CONNECTIONS,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="loraruner",
    )
    try:
        client = Session().client("s3", config=config)
    except ValueError as error:
        raise EnvironmentUnfit(f"{address}: {error}; set AWS_ENDPOINT_URL_S3 to http(s)://HOST:PORT") from error
    except BotoCoreError as error:
        raise NoPermission(f"{address}: the AWS settings cannot be used ({error}); correct AWS_PROFILE") from error
    client.meta.events.register_first("needs-retry.s3", _let_interruptions_through)
    return client


def _let_interruptions_through(caught_exception: BaseException | None, **_: Any) -> None:
    """Raise what a signal handler raised while a request was under way.

    botocore catches every Exception while it sends, wraps it as HTTPClientError and tries again: a preemption
    would be swallowed.
    """
    from botocore.exceptions import HTTPClientError

    inner = caught_exception
    if isinstance(caught_exception, HTTPClientError):
        inner = caught_exception.kwargs.get("error")
    if isinstance(inner, LoraRunerError):
        raise inner
