"""Strike secrets out of text: known values in every spelling, credentials by their shape, control characters."""

import base64
import html
import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

STRUCK = "[secret]"
MIN_CHARACTERS = 8  # of a known value, or of a line of it: shorter ones would strike out half of every text

# Names of parameters that carry a credential. Before them stands what separates parameters, also escaped for JSON, HTML
# or another address; patterns are linear, as no second match can begin inside a run that is scanned.
_NAMES = r"x-(?:amz|goog)-[a-z-]+|awsaccesskeyid|signature|sig|credential|[a-z_]*(?:token|key|secret)|passw(?:or)?d"
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"(?i){pattern}"), replacement)
    for pattern, replacement in (
        # Users and passwords in addresses: up to the last @ before the path, as a password may hold one.
        (r"((?:https?|s3|hf|ftp|file)://)[^/\s\"'<>]*@", rf"\1{STRUCK}@"),
        (r"(://)[^/\s\"'<>:@]+:[^/\s\"'<>]*@", rf"\1{STRUCK}@"),
        (rf"((?:[?&;]|%3f|%26|\\u0026)(?:{_NAMES})(?:=|%3d))(?:(?!%26)[^&;\s\"'<>\\])+", rf"\1{STRUCK}"),
        # Headers, as they stand in a request, a dictionary or JSON inside JSON.
        (
            r"\b((?:proxy-)?authorization|x-amz-security-token|x-api-key|(?:set-)?cookie)"
            r"([\\\"']*\s*[:=]\s*(?:b(?=[\"']))?[\\\"']*)[^\"'\\\r\n<]+",
            rf"\1\2{STRUCK}",
        ),
        (r"\b(bearer\s+)[\w.~+/=-]{8,}", rf"\1{STRUCK}"),
        (r"\b((?:signature|credential)=)[^&;,\s\"'<>\\]+", rf"\1{STRUCK}"),
        # What an S3 server tells about a request that it did not believe.
        (
            r"(<(?:signatureprovided|stringtosign\w*|canonicalrequest\w*|awsaccesskeyid|(?=\w*token)\w+)>)[^<]+",
            rf"\1{STRUCK}",
        ),
        (r"(?<![a-z0-9])(?-i:(?:AKIA|ASIA)[0-9A-Z]{16}|hf_[A-Za-z0-9]{20,})(?![A-Za-z0-9])", STRUCK),
    )
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # terminals obey the C1 set too


class Redactor:
    """Replaces each of ``secrets``, however it is spelled, and whatever looks like a credential."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = _spellings(tuple(secrets))

    def text(self, text: str) -> str:
        """The text without secrets and without control characters other than line feeds and tabs."""
        return CONTROL.sub(" ", self.strike(text))

    def strike(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, STRUCK)
        for pattern, replacement in _SHAPES:
            text = pattern.sub(replacement, text)
        return text

    def knows(self, text: str) -> bool:
        """Whether one of the known values is in ``text``; quick where a text is long."""
        return any(secret in text for secret in self._secrets)

    def values(self, value: Any, strike: Callable[[str], str] | None = None) -> Any:
        """A value as JSON has them, without secrets in any string of it, keys too."""
        strike = strike or self.strike
        if isinstance(value, str):
            return strike(value)
        if isinstance(value, dict):
            return {self.values(key, strike): self.values(item, strike) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.values(item, strike) for item in value]
        return value


def guard_records(secrets: Callable[[], Sequence[str]]) -> None:
    """Strike secrets from every log record when it is made: no handler of any library ever sees one.

    Libraries bring handlers of their own, which no formatter of ours covers. ``secrets`` is asked for every record,
    as some become known only after the start.
    """

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record, redactor = logging.LogRecord(*args, **kwargs), Redactor(secrets())
        try:
            message = record.getMessage()
        except Exception:  # a record that does not fit its arguments: logging would print them as they are
            message = f"{record.msg} {record.args!r}"
        record.msg, record.args = redactor.text(message), ()
        if record.exc_info:
            record.exc_text = redactor.text(logging.Formatter().formatException(record.exc_info))
        if record.stack_info:
            record.stack_info = redactor.text(record.stack_info)
        return record

    logging.setLogRecordFactory(make)


@lru_cache(maxsize=8)
def _spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """All spellings of all secrets, the longest first: one that holds another one leaves no rest."""
    pieces = {piece for secret in secrets for piece in (secret, secret.strip(), *map(str.strip, secret.splitlines()))}
    found = {form for piece in pieces if len(piece) >= MIN_CHARACTERS for form in _forms(piece)}
    return tuple(sorted((form for form in found if len(form) >= MIN_CHARACTERS), key=lambda form: (-len(form), form)))


def _forms(text: str) -> Iterator[str]:
    """The text as it is, and as addresses, JSON, Python, HTML and base64 spell it."""
    yield text
    for escaped in (quote(text, safe=""), quote(text), quote_plus(text)):
        for cased in (escaped, re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), escaped)):
            yield cased
            yield quote(cased, safe="")
    for ascii_only in (True, False):
        inside = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield inside
        yield json.dumps(inside, ensure_ascii=ascii_only)[1:-1]  # a server's JSON in a record of ours
        yield inside.replace("/", "\\/")
    yield repr(text)[1:-1]
    yield repr(text.encode(errors="surrogateescape"))[2:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)
    yield (digits := text.encode(errors="surrogateescape").hex())
    yield digits.upper()
    yield from _base64(text.encode(errors="surrogateescape"))


def _base64(data: bytes) -> Iterator[str]:
    """What base64 makes of ``data`` wherever it stands in a longer text: three positions, in both alphabets."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + data).decode()
        own = encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]  # without what its neighbours shape
        yield own
        yield own.replace("+", "-").replace("/", "_")
