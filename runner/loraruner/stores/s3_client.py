"""How the S3 client is set up: timeouts, checksums, sizes, and who may interrupt it."""

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loraruner.errors import EnvironmentUnfit, LoraRunerError, NoPermission

CONNECT_TIMEOUT_S = 10
NUM_CONNECTIONS = 16
UPSTREAM_HEADER = "x-loraruner-upstream"


@dataclass(frozen=True)
class Tuning:
    """How requests are cut and sent; trials and tests use other sizes and ways than runs."""

    read_timeout_s: float = 30.0
    range_bytes: int = 16 << 20  # one request of a download
    part_bytes: int = 16 << 20  # one part of an upload; S3 takes none below 5 MiB
    largest_put_bytes: int = 32 << 20  # larger files are sent in parts
    via: str | None = None
    """``http://HOST:PORT`` that gets every request, with the true address in ``UPSTREAM_HEADER``."""


DEFAULT = Tuning()


def open_client(address: str, tuning: Tuning = DEFAULT) -> Any:
    """A botocore S3 client that tries once. Endpoint, region and credentials come from the AWS_* variables and files.

    botocore uses path-style addresses by itself for an endpoint of one's own, unless its configuration says
    otherwise. Its own checksums stay off: its trailers end up inside files on some stores, and its validation
    rejects good ranged answers of others. We send explicit checksum headers and trust our own SHA-256 alone.
    Its retries stay off too: they would not cover bodies, ask for no pause that a store names, and run out of
    a quota of their own.
    """
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise EnvironmentUnfit(f"{address}: boto3 is not installed; install loraruner[s3]") from error
    config = Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=tuning.read_timeout_s,
        max_pool_connections=NUM_CONNECTIONS,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="loraruner",
        proxies={} if tuning.via else None,
    )
    try:
        client = Session().client("s3", config=config)
    except ValueError as error:
        raise EnvironmentUnfit(f"{address}: {error}; set AWS_ENDPOINT_URL_S3 to http(s)://HOST:PORT") from error
    except BotoCoreError as error:
        raise NoPermission(f"{address}: the AWS settings cannot be used ({error}); correct AWS_PROFILE") from error
    client.meta.events.register_first("needs-retry.s3", _let_interruptions_through)
    if tuning.via:
        client.meta.events.register_last("before-send.s3", _diversion(tuning.via))
    return client


def certificates() -> str | None:
    """The file or folder of certificates that the client trusts instead of the usual ones."""
    from boto3.session import Session

    found = Session()._session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return str(found) if found else None


def _diversion(via: str) -> Any:
    """Send a signed request somewhere else: the signed Host stays, so that the signature still holds there."""

    def divert(request: Any, **_: Any) -> None:
        true = urlsplit(request.url)
        request.headers["Host"] = true.netloc
        request.headers[UPSTREAM_HEADER] = f"{true.scheme}://{true.netloc}"
        request.url = f"{via}{request.url[len(f'{true.scheme}://{true.netloc}') :]}"

    return divert


def _let_interruptions_through(caught_exception: BaseException | None, **_: Any) -> None:
    """Raise what a signal handler raised while a request was under way.

    botocore catches every Exception while it sends, and wraps it as HTTPClientError: a preemption would be
    taken for a broken connection.
    """
    from botocore.exceptions import HTTPClientError

    inner = caught_exception
    if isinstance(caught_exception, HTTPClientError):
        inner = caught_exception.kwargs.get("error")
    if isinstance(inner, LoraRunerError):
        raise inner
