"""One request to S3, repeated while that may help."""

import threading
from collections.abc import Callable
from typing import Any

from loraruner.stores import retry
from loraruner.stores.s3_errors import status_of, translated


def refused(error: Any) -> Any:
    """Raise a refusal as it is."""
    raise error


def none_when_missing(error: Any) -> None:
    """None for a 404; other refusals are raised."""
    if status_of(error) != 404:
        raise error


def ask(
    method: Callable[..., Any],
    address: str,
    arguments: dict[str, Any],
    *,
    settle: Callable[[Any], Any] = refused,
    stop: threading.Event | None = None,
) -> Any:
    """The answer of a client's ``method``; ``settle`` decides what a refusal (a ClientError) means.

    Raises the errors of ``loraruner.errors``; ``address`` is what was read or written.
    """
    from botocore.exceptions import ClientError

    def once() -> Any:
        with translated(address):
            try:
                return method(**arguments)
            except ClientError as error:
                return settle(error)

    return retry.patiently(once, stop=stop)
