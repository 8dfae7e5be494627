"""Text messages for chat services: their bodies, what they may hold, and answers that are refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

from loraruner.clients.answers import Answer, Refused
from loraruner.errors import ExitCode, TemporaryFailure
from loraruner.notifiers import messages, open_notifier, presets
from loraruner.notifiers.base import Message
from loraruner.notifiers.presets import PRESETS, body_of, calm, cut, require_taken
from loraruner.redact import Redactor
from loraruner.spec.model import WebhookNotice
from tests.support.listeners import SECRET, operator, run_facts
from tests.support.loop_scripts import WebhookReceiver

PLAIN = Message("epoch-1", "epoch", "tiny: epoch 1 is done\nStep 1 of 2")
HOSTILE = '<!here> <!channel> <@U123> @channel @all <at user_id="all">x</at> [click](https://evil.example) *b* & a@b'


def text_in(body: Any) -> str:
    """All strings of a body but its keys."""
    if isinstance(body, dict):
        return "\n".join(text_in(each) for each in body.values())
    if isinstance(body, list):
        return "\n".join(text_in(each) for each in body)
    return body if isinstance(body, str) else ""


@pytest.mark.parametrize(
    ("preset", "body"),
    [
        (
            "slack",
            {"text": PLAIN.text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False},
        ),
        ("feishu", {"msg_type": "text", "content": {"text": PLAIN.text}}),
        ("dingtalk", {"msgtype": "text", "text": {"content": PLAIN.text}, "at": {"isAtAll": False}}),
        ("wecom", {"msgtype": "text", "text": {"content": PLAIN.text}}),
    ],
)
def test_bodies(preset: str, body: dict[str, Any]) -> None:
    """Each service gets the form that it documents."""
    assert body_of(preset, PLAIN) == body


def test_a_card_for_teams() -> None:
    """A message with one adaptive card, whose runs of text are never read as Markdown."""
    (attachment,) = body_of("teams", PLAIN)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    blocks = attachment["content"]["body"]
    assert [block["type"] for block in blocks] == ["RichTextBlock"] * 2
    assert [block["inlines"][0]["text"] for block in blocks] == PLAIN.text.split("\n")


@pytest.mark.parametrize("preset", PRESETS)
def test_nobody_is_pinged(preset: str) -> None:
    """What a job, a file name or a server wrote is no mention, no tag and no markup."""
    text = text_in(body_of(preset, Message("x", "failed", HOSTILE)))
    for ping in ("<!here>", "<!channel>", "<@U123>", "@channel", "@all", "<at user_id"):
        assert ping not in text


def test_slack_escapes() -> None:
    """The three characters that Slack's own markup is made of are escaped."""
    assert body_of("slack", Message("x", "failed", "a < b & c > d"))["text"] == "a &lt; b &amp; c &gt; d"


def test_calm_text_stays_readable() -> None:
    """Only an invisible space is added, and only before what could be a name; twice changes nothing more."""
    assert calm("loss < 0.5, a @ b") == "loss < 0.5, a @ b"
    assert calm("hf://org/name@main, s3://bucket/a@2") == "hf://org/name@main, s3://bucket/a@2"
    assert calm("@all").replace("\u200b", "") == "@all" and calm(calm("@all")) == calm("@all")


def test_long_texts_are_cut() -> None:
    """Whole characters within each service's limit, and a sign that something is missing."""
    long = Message("x", "failed", "颜" * 5000)
    content = body_of("wecom", long)["text"]["content"]
    assert len(content.encode()) <= presets.MAX_BYTES and content.endswith("…")
    assert len(text_in(body_of("feishu", long)["content"]).encode()) <= presets.MAX_CHARACTERS
    assert cut("short") == "short"


def test_the_end_of_the_log_is_told(tmp_path: Path) -> None:
    """A chat gets the last lines of a failed run's log."""
    log = [f"line {number}" for number in range(40)]
    failed = messages.failed(run_facts(), ExitCode.DIVERGED, {"reason": "diverged"}, log, tmp_path / "none")
    text = body_of("feishu", failed)["content"]["text"]
    assert "line 39" in text and "line 29" not in text and "79 DIVERGED" in text


@pytest.mark.parametrize(
    "answer", ["ok", "", "1", "[]", '{"errcode": 0, "errmsg": "ok"}', '{"code": 0}', '{"StatusCode": 0, "code": 0}']
)
def test_answers_that_mean_yes(answer: str) -> None:
    """What the services answer to a message that they took."""
    require_taken("slack", Answer(200, {}, answer.encode()), Redactor(()))


@pytest.mark.parametrize(
    "answer",
    [
        {"errcode": 310000, "errmsg": f"keywords not in content {SECRET}"},
        {"errcode": 45009, "errmsg": "api freq out of limit"},
        {"code": 19001, "msg": "param invalid: incoming webhook access token invalid"},
        {"StatusCode": 9499, "msg": "too many"},
    ],
)
def test_a_200_that_means_no(answer: dict[str, Any]) -> None:
    """A good status with an error code in the body is a failure, told in the service's words without secrets."""
    with pytest.raises(Refused) as told:
        require_taken("dingtalk", Answer(200, {}, json.dumps(answer).encode()), Redactor((SECRET,)))
    assert str(answer.get("errcode") or answer.get("code") or answer.get("StatusCode")) in str(told.value)
    assert SECRET not in str(told.value)


def test_a_chat_gets_its_form() -> None:
    """The preset of a job decides what is posted; no signature, and no key that a chat would not know."""
    with WebhookReceiver() as receiver:
        settings = operator(LORARUNER_WEBHOOK_URL=receiver.url, LORARUNER_WEBHOOK_SECRET=SECRET)
        open_notifier(WebhookNotice(preset="wecom"), run_facts(), settings).send(PLAIN)
    (request,) = receiver.requests
    assert request.document == {"msgtype": "text", "text": {"content": PLAIN.text}}
    assert not [name for name in request.headers if name.startswith("X-Loraruner") or name == "Idempotency-Key"]


def test_a_lost_answer_of_a_chat() -> None:
    """A chat knows no key: what may have arrived is not said again."""
    with WebhookReceiver() as receiver:
        receiver.answer(502, times=5)
        settings = operator(LORARUNER_WEBHOOK_URL=receiver.url)
        with pytest.raises(TemporaryFailure):
            open_notifier(WebhookNotice(preset="slack"), run_facts(), settings).send(PLAIN)
        assert len(receiver.requests) == 1
