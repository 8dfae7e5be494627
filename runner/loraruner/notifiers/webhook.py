"""Events as JSON for whoever has an address, or as text for a chat service (``schemas/event.schema.json``)."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from loraruner.clients.http import JsonClient
from loraruner.errors import EnvironmentUnfit
from loraruner.notifiers import presets
from loraruner.notifiers.base import Message, RunFacts
from loraruner.notifiers.facts import now
from loraruner.redact import Redactor
from loraruner.settings import Settings
from loraruner.spec.model import WebhookNotice

FORMAT = 1
REMEDY = "look whether the address still takes messages, and whether LORARUNER_WEBHOOK_SECRET is the receiver's"
PLAIN = "json"  # the preset that is the event itself


def open_notifier(entry: WebhookNotice, run: RunFacts, settings: Settings) -> "WebhookNotifier":
    """Events to the entry's address, else to the operator's; see ``notifiers.open_notifier``."""
    url = entry.url or settings.webhook_url
    if not url:
        reason = "webhook: it names no url, and LORARUNER_WEBHOOK_URL is not set"
        raise EnvironmentUnfit(f"{reason}; set it, or give the notice a url without a secret")
    client = JsonClient(url, headers={}, name="webhook", settings=settings, own=entry.url is None, remedy=REMEDY)
    secrets = settings.secrets if entry.url else (*settings.secrets, url)
    return WebhookNotifier(_key(entry), client, entry.preset, run, settings.webhook_secret, Redactor(secrets))


class WebhookNotifier:
    """Posts each message. ``secret`` signs the bodies of JSON events; chat services know no such signature."""

    def __init__(
        self,
        key: str,
        client: JsonClient,
        preset: str,
        run: RunFacts,
        secret: str | None,
        redactor: Redactor,
    ) -> None:
        self.key = key
        self._client, self._preset, self._run, self._secret, self._redactor = client, preset, run, secret, redactor
        self.clock: Callable[[], float] = time.time

    def send(self, message: Message) -> None:
        """Post it; raises what ``JsonClient`` does, and Refused (65) where a chat service says that it took nothing."""
        if self._preset == PLAIN:
            body = json.dumps(event_of(self._run, message), allow_nan=False).encode()
            self._client.request("POST", content=body, headers=self._headers(message, body))
        else:  # a lost answer is no reason to say it twice
            answer = self._client.request("POST", json=presets.body_of(self._preset, message))
            presets.require_taken(self._preset, answer, self._redactor)

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        timestamp = str(int(self.clock()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f"{self._run.run_id}/{message.id}",
            "X-Loraruner-Event": message.moment,
            "X-Loraruner-Timestamp": timestamp,
        }
        if self._secret:
            headers["X-Loraruner-Signature"] = f"sha256={sign(self._secret, timestamp, body)}"
        return headers


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of ``TIMESTAMP.BODY`` in hex: the time is signed too, so that no recording is good."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def event_of(run: RunFacts, message: Message) -> dict[str, Any]:
    """The document of ``schemas/event.schema.json``."""
    about = {
        "id": run.run_id,
        "name": run.name,
        "task": run.job["task"],
        "attempt": run.attempt,
        "started": run.started or None,
        "address": run.address,
    }
    return {
        "format": FORMAT,
        "event": message.moment,
        "id": message.id,
        "time": now(),
        "run": about,
        "text": message.text,
        "facts": dict(message.facts),
        "data": dict(message.data),
    }


def _key(entry: WebhookNotice) -> str:
    """Names the address without showing it: the operator's is a secret."""
    if not entry.url:
        return "webhook"
    return f"webhook:{urlsplit(entry.url).hostname}/{hashlib.sha256(entry.url.encode()).hexdigest()[:8]}"
