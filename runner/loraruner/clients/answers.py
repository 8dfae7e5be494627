"""What services answer: good answers, and one error for every bad one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from loraruner.errors import DataInvalid, ExitCode, InputMissing, LoraRunerError, NoPermission, TemporaryFailure
from loraruner.redact import Redactor

MAX_WORDS = 300  # characters of a service's own words in a message
REMEDY = "give a token that may do this"
MAX_READ = 16 << 10  # bytes of an answer in which its words are looked for
DENIED, MISSING = (401, 403, 407), (404, 410)
TEMPORARY = (408, 425, 500, 502, 503, 504)


class Refused(LoraRunerError):
    """The service understood the request and will not do it; ``words`` are its own, without secrets."""

    code = ExitCode.DATA_INVALID

    def __init__(self, text: str, *, status: int = 0, words: str = "") -> None:
        super().__init__(text)
        self.status: int = status
        self.words: str = words


class Unavailable(TemporaryFailure):
    """The service did not answer as it should. ``arrived``: the request may have been carried out all the same."""

    def __init__(self, text: str, *, arrived: bool = True, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.arrived: bool = arrived
        self.wait_s: float | None = wait_s


@dataclass(frozen=True)
class Answer:
    """A good answer (2xx). The names in ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    service: str = "the service"

    def json(self) -> Any:
        """The body as JSON; raises DataInvalid (65) where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise DataInvalid(f"{self.service}: the answer is no JSON; check the address of the service") from error


def fault_of(what: str, answer: Answer, redactor: Redactor, now: float, remedy: str = REMEDY) -> LoraRunerError:
    """The error that a bad answer means; ``what`` says who was asked for what.

    ``now`` is the time of day (epoch); ``remedy`` says what to do about a denied access.
    """
    status, words = answer.status, redactor.text(_words(answer.body))[:MAX_WORDS]
    told = f"{status}, {words}" if words else str(status)
    if status in DENIED:
        return NoPermission(f"{what}: access denied ({told}); {remedy}")
    if status in MISSING:
        return InputMissing(f"{what}: is not there ({told}); it may have been deleted, check the id")
    if status == 429:
        wait_s = _wait_s(answer.headers, now)
        asked = f", asks to wait {wait_s:.0f} s" if wait_s is not None else ""
        text = f"{what}: too many requests ({told}){asked}; try again later"
        return Unavailable(text, arrived=False, wait_s=wait_s)
    if status in TEMPORARY or status > 500:
        text = f"{what}: the service is unavailable ({told}); try again later"
        return Unavailable(text, arrived=True, wait_s=_wait_s(answer.headers, now))
    why = "is refused" if status >= 400 else "is sent elsewhere, correct the address"
    return Refused(f"{what}: {why} ({told})", status=status, words=words)


def _wait_s(headers: Mapping[str, str], now: float) -> float | None:
    """How long the service asks to wait: seconds or a date (Retry-After), or epoch seconds (X-RateLimit-Reset)."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isascii() and after.isdigit():
        return float(after[:9])
    if after:
        try:
            return max(0.0, parsedate_to_datetime(after).timestamp() - now)
        except (ValueError, OverflowError):
            return None
    if reset.isascii() and reset.isdigit():
        return max(0.0, float(reset[:18]) - now)
    return None


def _words(body: bytes) -> str:
    """What a service says about an error: the usual fields of JSON, else the text itself, on one line."""
    text = body[:MAX_READ].decode(errors="replace")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = text
    if isinstance(told, dict):
        names = ("err", "error", "message", "ECODE", "errorCode", "code")
        told = " ".join(str(told[name]) for name in names if isinstance(told.get(name), str | int)) or text
    return " ".join(str(told).split())
