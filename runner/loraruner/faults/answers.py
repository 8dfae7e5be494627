"""Answers, and what faults make of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

WRONG_SHA256 = "A" * 43 + "="
CLOCK_SHIFT = timedelta(hours=6)
CODES = {
    "400": "BadRequest",
    "403": "AccessDenied",
    "412": "PreconditionFailed",
    "429": "TooManyRequests",
    "500": "InternalError",
    "501": "NotImplemented",
    "503": "SlowDown",
}


@dataclass(frozen=True)
class Answer:
    """Status, headers without those of the transfer itself, and body. ``end`` says how the connection ends."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    end: str = "kept"  # "cut": half a body; "shortened": half, as if it were all; "chunked": so too; "reset"

    def header(self, name: str) -> str:
        """One header's value; "" where there is none."""
        return next((value for each, value in self.headers if each.lower() == name.lower()), "")

    def having(self, **headers: str) -> "Answer":
        """With these headers (``_`` for ``-``) in the place of those that were there."""
        new = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        kept = tuple((name, value) for name, value in self.headers if name.lower() not in new)
        return replace(self, headers=kept + tuple(new.items()))


def refusal(status: str, code: str = "", **headers: str) -> Answer:
    """An S3 error document."""
    code = code or CODES.get(status, "Refused")
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>planted</Message></Error>"
    return Answer(int(status), (), body.encode()).having(Content_Type="application/xml", **headers)


def flipped(data: bytes) -> bytes:
    """``data`` with one bit changed in its middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


def _later(answer: Answer) -> Answer:
    return answer.having(Date=format_datetime(datetime.now(UTC) + CLOCK_SHIFT, usegmt=True))


# Faults that answer without asking the server behind.
INSTEAD: dict[str, Callable[[], Answer]] = {
    "ok": lambda: Answer(200, (("ETag", '"ok"'),), b""),
    "503-later": lambda: refusal("503", Retry_After="1"),
    "503-checksum": lambda: refusal("503", x_amz_checksum_crc32="AAAAAA==", x_amz_checksum_sha256=WRONG_SHA256),
    "expired": lambda: refusal("403", "ExpiredToken"),
    "skewed": lambda: _later(refusal("403", "RequestTimeTooSkewed")),
    "failed-200": lambda: replace(refusal("500"), status=200),
    "reset": lambda: Answer(200, (), b"", end="reset"),
}
# Faults that change the server's answer.
CHANGED: dict[str, Callable[[Answer], Answer]] = {
    "lost": lambda _: refusal("503"),
    "flip": lambda answer: replace(answer, body=flipped(answer.body)),
    "cut": lambda answer: replace(answer, end="cut"),
    "shortened": lambda answer: replace(answer, end="shortened"),
    "chunked": lambda answer: replace(answer, end="chunked"),
    "broken": lambda answer: replace(answer, end="reset"),
    "checksum": lambda answer: answer.having(x_amz_checksum_sha256=WRONG_SHA256, x_amz_checksum_crc32="AAAAAA=="),
    "etag": lambda answer: answer.having(ETag='"0123456789abcdef0123456789abcdef"'),
    "error-200": lambda _: replace(refusal("500"), status=200),
    "date": _later,
}
