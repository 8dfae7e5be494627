"""The text messages that chat services take at their webhooks, and how each says that it took none.

Bodies as of the services' documents: Slack https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
Teams https://support.microsoft.com (Workflows: "Send webhook alerts to a channel"), Feishu https://open.feishu.cn
(custom bots), DingTalk https://open.dingtalk.com (custom robots), WeCom https://developer.work.weixin.qq.com (group
robots). Nothing in a text pings people, becomes a link with another name, or is markup.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from loraruner.clients.answers import MAX_WORDS, Answer, Refused
from loraruner.notifiers.base import Message
from loraruner.redact import Redactor

MAX_CHARACTERS = 4000
MAX_BYTES = 2048  # WeCom takes no more of a text
LOG_LINES = 10  # of a failed run; the whole tail is in the JSON event
FAULTS = ("errcode", "code", "StatusCode")  # a 200 with one of them that is not 0 took nothing
_PING = re.compile(r"((?<!\w)@|<)(?=[^\s\u200b])")  # not inside a word: hf://org/name@main stays what it is


def text_of(message: Message) -> str:
    """What people read: the message and the end of the log, without anything that a service would act on."""
    lines = [str(line) for line in message.data.get("log", ())][-LOG_LINES:]
    return calm("\n".join((message.text, *(("", *lines) if lines else ()))))


def calm(text: str) -> str:
    """Text in which nothing is a mention or a tag any more: an invisible space follows each @ and <."""
    return _PING.sub("\\1\u200b", text)


def cut(text: str, max_bytes: int = MAX_CHARACTERS) -> str:
    """At most so many bytes of UTF-8, whole characters; what was cut ends in an ellipsis."""
    data = text.encode()
    return text if len(data) <= max_bytes else f"{data[: max_bytes - 3].decode(errors='ignore')}\u2026"


def _slack(text: str) -> dict[str, Any]:
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, name)
    return {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def _teams(text: str) -> dict[str, Any]:
    """A card of plain runs of text: its text blocks would read Markdown."""
    first, *rest = text.split("\n")
    bold = {"type": "TextRun", "text": first, "weight": "Bolder"}
    lines = [[bold], *([{"type": "TextRun", "text": line}] for line in rest if line)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [{"type": "RichTextBlock", "inlines": inlines} for inlines in lines],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [content]}


def _feishu(text: str) -> dict[str, Any]:
    return {"msg_type": "text", "content": {"text": text}}


def _dingtalk(text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": text}, "at": {"isAtAll": False}}


def _wecom(text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": cut(text, MAX_BYTES)}}


PRESETS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "slack": _slack,
    "teams": _teams,
    "feishu": _feishu,
    "dingtalk": _dingtalk,
    "wecom": _wecom,
}


def body_of(preset: str, message: Message) -> dict[str, Any]:
    """The JSON that a service takes."""
    return PRESETS[preset](cut(text_of(message)))


def require_taken(preset: str, answer: Answer, redactor: Redactor) -> None:
    """Raise Refused (65) where a service says in a good answer that it did not take the message."""
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):  # "ok", or nothing at all
        return
    if not isinstance(told, dict):
        return
    if code := next((told[name] for name in FAULTS if told.get(name) not in (None, 0, "0")), None):
        words = redactor.text(" ".join(str(told.get("errmsg") or told.get("msg") or "").split()))[:MAX_WORDS]
        raise Refused(f"{preset}: the message was not taken ({code}, {words})", status=answer.status, words=words)
