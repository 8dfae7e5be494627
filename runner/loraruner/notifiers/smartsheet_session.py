"""The official SDK with limits of ours: time-outs, bounded answers, no redirects, no log of what is sent.

Imported only where a sheet is really asked, as the SDK takes a while to load.
"""

import logging
import ssl
from typing import Any
from urllib.parse import urlsplit

import smartsheet
from smartsheet.session import HTTPAdapter, requests  # the SDK's own, which it brings along
from smartsheet.smartsheet import AbstractUserCalcBackoff

from loraruner import __version__

CONNECT_S, READ_S = 10.0, 30.0
MAX_ANSWER_BYTES = 16 << 20  # 500 rows of a wide sheet are far smaller
WAIT_LIMIT_S = 50.0  # for one call; the limit of 300 requests counts a minute
NOTHING_DONE = (4001, 4003)  # maintenance, rate limit: the only errors after which the SDK may ask again by itself


class _Limited(HTTPAdapter):  # type: ignore[misc]  # the SDK has no types
    """Sends once, with time-outs, and reads a bounded answer; trusts what SSL_CERT_FILE names too."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=ssl.create_default_context())

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().send(request, **{**kwargs, "timeout": (CONNECT_S, READ_S), "stream": True})
        content: bytes = response.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True)
        response._content = content
        if len(content) > MAX_ANSWER_BYTES:
            response.close()
            raise requests.exceptions.ContentDecodingError(f"the answer holds more than {MAX_ANSWER_BYTES:,} bytes")
        return response


class _Backoff(AbstractUserCalcBackoff):  # type: ignore[misc]
    """2, 4, 8, ... seconds after an error that left nothing behind; after others our caller looks first."""

    def calc_backoff(self, previous_attempts: int, total_elapsed_time: float, error_result: Any) -> float:
        """Seconds to wait; negative gives up."""
        wait_s = float(2**previous_attempts)
        return wait_s if error_result.code in NOTHING_DONE and total_elapsed_time + wait_s < WAIT_LIMIT_S else -1.0


def open_sdk(token: str, api_base: str) -> Any:
    """A client of the SDK that raises its errors."""
    sdk = smartsheet.Smartsheet(
        access_token=token, user_agent=f"loraruner/{__version__}", max_retry_time=_Backoff(), api_base=api_base
    )
    sdk.errors_as_exceptions(True)
    session = sdk._session  # the SDK has no other place for time-outs
    session.max_redirects = 0
    session.mount(f"{urlsplit(api_base).scheme}://", _Limited(max_retries=0))
    for name in ("smartsheet", "smartsheet.smartsheet"):  # it would log whole sheets, at error level too
        logger = logging.getLogger(name)
        logger.propagate, logger.handlers = False, [logging.NullHandler()]
    return sdk
