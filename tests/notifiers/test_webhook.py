"""Events at an address: as their schema says, signed, sent once, and never to a place that nobody allowed."""

import json
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from loraruner.clients.http import JsonClient
from loraruner.errors import (
    EnvironmentUnfit,
    ExitCode,
    InputMissing,
    LoraRunerError,
    NoPermission,
    TemporaryFailure,
)
from loraruner.events import EpochDone, Warned
from loraruner.notifiers import MODULES, facts, messages, open_notifier
from loraruner.notifiers.base import Message
from loraruner.notifiers.webhook import WebhookNotifier, event_of, sign
from loraruner.redact import Redactor
from loraruner.settings import Settings
from loraruner.spec.model import WebhookNotice
from tests.support.listeners import SECRET, manifest, operator, run_facts
from tests.support.loop_scripts import MAX_AGE_S, WebhookReceiver, verify

NOTICE = WebhookNotice()
ENDED = "2026-03-01T12:22:00+00:00"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(SECRET) as running:
        yield running


def notifier(receiver: WebhookReceiver, **patience: Any) -> WebhookNotifier:
    """To the operator's address, as ``open_notifier`` makes it; pauses take no time."""
    patience = {"sleep": lambda pause_s: None, **patience}
    settings = operator(LORARUNER_WEBHOOK_URL=receiver.url, LORARUNER_WEBHOOK_SECRET=SECRET)
    client = JsonClient(receiver.url, headers={}, name="webhook", settings=settings, own=True, **patience)
    return WebhookNotifier("webhook", client, "json", run_facts(), SECRET, Redactor(settings.secrets))


def every_message() -> list[Message]:
    """One of each moment."""
    run, code = run_facts(), ExitCode.DIVERGED
    known = facts.of_failure(run, code, "diverged; lower the rate", ENDED, {})
    return [
        messages.started(run, resumed=False),
        messages.started(run, resumed=True),
        messages.of_event(run, EpochDone(1, 2, 4, 0.5, 1.0, 2.0)),
        messages.of_event(run, Warned("stall", "no step for 600 s", 2)),
        messages.finished(run, manifest(), "s3://loras/tiny/versions/3/", ENDED, {}),
        messages.failed(run, code, known, ["last line"], Path("none")),
    ]


def test_every_event_is_as_its_schema_says() -> None:
    """The shipped schema describes what is really sent, and would refuse another layout."""
    schema = json.loads((files("loraruner.schemas") / "event.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    for message in every_message():
        event = event_of(run_facts(), message)
        assert [error.message for error in check.iter_errors(json.loads(json.dumps(event)))] == []
    assert not check.is_valid({**event, "format": 2}) and not check.is_valid({**event, "facts": {"unknown": 1}})


def test_an_event_arrives(receiver: WebhookReceiver) -> None:
    """The body, the headers that name it, and a signature that the receiver can check."""
    notifier(receiver).send(every_message()[0])
    (request,) = receiver.requests
    assert request.verified and receiver.events[0]["event"] == "started"
    assert request.headers["X-Loraruner-Event"] == "started"
    assert request.headers["Idempotency-Key"] == "tiny-0123/started"
    assert request.headers["Content-Type"] == "application/json"


def test_the_same_message_twice(receiver: WebhookReceiver) -> None:
    """An attempt that was killed between sending and noting it sends again, and the key tells that it is no new one."""
    for _ in range(2):
        notifier(receiver).send(every_message()[0])
    assert len(receiver.requests) == 2 and len(receiver.events) == 1


def test_signatures() -> None:
    """A good one is believed; another secret, body, time or an old time is not."""
    body, headers = b'{"a": 1}', {"X-Loraruner-Timestamp": "1000"}
    headers["X-Loraruner-Signature"] = f"sha256={sign(SECRET, '1000', body)}"
    assert verify(SECRET, headers, body, 1000.0)
    assert not verify("another", headers, body, 1000.0)
    assert not verify(SECRET, headers, b'{"a": 2}', 1000.0)
    assert not verify(SECRET, {**headers, "X-Loraruner-Timestamp": "1001"}, body, 1000.0)
    assert not verify(SECRET, headers, body, 1001.0 + MAX_AGE_S)
    assert not verify(SECRET, {}, body, 1000.0)


def test_no_signature_without_a_secret() -> None:
    """Without the operator's secret nothing pretends to be signed."""
    with WebhookReceiver() as open_receiver:
        settings = operator(LORARUNER_WEBHOOK_URL=open_receiver.url)
        open_notifier(NOTICE, run_facts(), settings).send(every_message()[0])
    assert "X-Loraruner-Signature" not in open_receiver.requests[0].headers


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_receiver(receiver: WebhookReceiver, status: int) -> None:
    """It is asked again after the time that it names, and the event comes once."""
    pauses: list[float] = []
    receiver.answer(status, {"error": "busy"}, times=2, Retry_After="3")
    notifier(receiver, sleep=pauses.append).send(every_message()[0])
    assert len(receiver.events) == 1 and len(receiver.requests) == 3
    assert all(3 <= pause_s < 5 for pause_s in pauses)


@pytest.mark.parametrize(
    ("status", "error"), [(401, NoPermission), (404, InputMissing), (503, TemporaryFailure), (400, LoraRunerError)]
)
def test_a_receiver_that_refuses(receiver: WebhookReceiver, status: int, error: type[LoraRunerError]) -> None:
    """Its answer is an error that shows neither the address nor the secret."""
    receiver.answer(status, {"error": f"no {SECRET}"}, times=10)
    with pytest.raises(error) as told:
        notifier(receiver).send(every_message()[0])
    assert SECRET not in str(told.value) and receiver.url not in str(told.value)


def test_a_receiver_that_hangs(receiver: WebhookReceiver) -> None:
    """A time-out ends a request; that it might have arrived is no reason to give up, as the key tells."""
    receiver.hold = threading.Event()
    with pytest.raises(TemporaryFailure):
        notifier(receiver, tries=1, limit_s=0.2).send(every_message()[0])


def test_an_address_that_is_missing() -> None:
    """An entry without url needs the operator's address: known before anything is computed."""
    with pytest.raises(EnvironmentUnfit, match="LORARUNER_WEBHOOK_URL is not set"):
        open_notifier(NOTICE, run_facts(), operator())


def test_a_host_that_is_not_listed() -> None:
    """Where the operator lists hosts, a job's address is one of them."""
    settings = operator(LORARUNER_ALLOWED_HOSTS="hooks.example.com")
    open_notifier(WebhookNotice(url="https://hooks.example.com/a"), run_facts(), settings)
    with pytest.raises(NoPermission, match=r"LORARUNER_ALLOWED_HOSTS"):
        open_notifier(WebhookNotice(url="https://elsewhere.example.com/a"), run_facts(), settings)


def test_a_private_address_of_a_job(receiver: WebhookReceiver) -> None:
    """A job cannot make this machine ask its own network; the operator's address may lie there."""
    url = receiver.url.replace("http://", "https://")
    with pytest.raises(NoPermission, match="not a public one"):
        open_notifier(WebhookNotice(url=url), run_facts(), operator()).send(every_message()[0])
    assert receiver.requests == []


def test_keys_name_no_secret() -> None:
    """Records name the operator's address only as the webhook, a job's by its host."""
    settings: Settings = operator(LORARUNER_WEBHOOK_URL="https://hooks.slack.com/services/T0/B0/planted")
    assert open_notifier(NOTICE, run_facts(), settings).key == "webhook"
    key = open_notifier(WebhookNotice(url="https://hooks.example.com/team-a"), run_facts(), operator()).key
    assert key.startswith("webhook:hooks.example.com/") and "team-a" not in key


def test_every_kind_has_a_module() -> None:
    """Each kind of the schema is found, and by no other name."""
    from loraruner.spec.build import NOTICES

    assert set(MODULES) == set(NOTICES)
