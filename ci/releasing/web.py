"""HTTP with one account: asked again on 429, 5xx and a lost connection, and on nothing else."""

import base64
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ci.releasing.settings import Account, is_loopback
from loraruner.errors import IntegrityError, NoPermission, TemporaryFailure

TIMEOUT_S = 120
PAUSES_S = (1.0, 2.0, 4.0, 8.0)
MAX_PAUSE_S = 60.0
MAX_ANSWER_BYTES = 256 << 20


class Answer(NamedTuple):
    """Status, headers and body of an answer."""

    status: int
    headers: Message
    body: bytes


class Web:
    """A client that logs in with one account, at the hosts of given addresses alone."""

    def __init__(self, account: Account, hosts: list[str], *, pause: Callable[[float], None] = time.sleep) -> None:
        pair = base64.b64encode(f"{account.user}:{account.token}".encode()).decode()
        self._login, self._pause = f"Basic {pair}", pause
        self._secrets = [each.encode() for each in (pair, account.token) if each]
        self._hosts = {(urlsplit(each).scheme, urlsplit(each).netloc) for each in hosts}

    def ask(self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answer:
        """Any answer but 401, 403 (NoPermission) and a lasting 429, 5xx or silence (TemporaryFailure)."""
        for pause_s in (*PAUSES_S, None):
            reason, wanted_s = "", 0.0
            try:
                answer = self._once(method, url, body, headers)
                if answer.status in (401, 403):
                    raise NoPermission(f"{method} {url} was refused ({answer.status}): check user, token, permissions")
                if answer.status != 429 and answer.status < 500:
                    return answer
                reason, wanted_s = f"answered {answer.status}", retry_after_s(answer.headers, pause_s or 0.0)
            except (OSError, http.client.HTTPException) as error:
                reason, wanted_s = f"failed ({error})", pause_s or 0.0
            if pause_s is None:
                raise TemporaryFailure(
                    f"{method} {url} {reason}, {len(PAUSES_S) + 1} times; run the release again later"
                )
            self._pause(wanted_s)
        raise AssertionError("the last round returns or raises")

    def _once(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        require_safe(url)
        request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)
        if urlsplit(url)[:2] in self._hosts:
            # Unredirected: where a server sends us to its storage, the token stays behind.
            request.add_unredirected_header("Authorization", self._login)
        try:
            # No proxy has a part in what stays on this machine, where the login travels as it is.
            apart = [urllib.request.ProxyHandler({})] if urlsplit(url).scheme == "http" else []
            with urllib.request.build_opener(Redirects, *apart).open(request, timeout=TIMEOUT_S) as answer:
                return Answer(answer.status, answer.headers, whole(answer))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, self._without_secrets(error.read(MAX_ANSWER_BYTES)))

    def _without_secrets(self, body: bytes) -> bytes:
        """What a server says of a refusal, which is told, and may repeat what it was sent."""
        for secret in self._secrets:
            body = body.replace(secret, b"***")
        return body


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows only where the first request could have gone too."""

    def redirect_request(self, *args: Any, **others: Any) -> urllib.request.Request | None:
        """The request at the new address; IntegrityError where anybody between could change the answer."""
        found = super().redirect_request(*args, **others)
        if found is not None:
            require_safe(found.full_url)
        return found


def require_safe(url: str) -> None:
    """IntegrityError for an address, such as one that a server gave, whose answer could be forged on the way."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise IntegrityError(f"a server sends us to {parts.scheme}://{parts.hostname}: only https is believed")


def whole(answer: http.client.HTTPResponse) -> bytes:
    """The body of an answer; IncompleteRead where it broke off, IntegrityError where it is larger than any of ours."""
    body = answer.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        raise IntegrityError(f"an answer is larger than {MAX_ANSWER_BYTES} bytes: that is no file of a release")
    if answer.length:  # which read() with a size does not mind
        raise http.client.IncompleteRead(body, answer.length)
    return body


def retry_after_s(headers: Message, otherwise_s: float) -> float:
    """How long a server asks to wait, within a limit; its form as a date is left aside."""
    value = headers.get("Retry-After", "")
    return min(float(value), MAX_PAUSE_S) if value.isdecimal() else otherwise_s
