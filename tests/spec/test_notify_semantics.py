"""What entries of ``notify`` may not say, told when a job is read: before anybody is asked anything."""

import json
from typing import Any

import pytest

from loraruner import spec
from loraruner.spec import JobInvalid
from loraruner.spec.loading import Loaded

JOB: dict[str, Any] = {
    "name": "tiny",
    "task": "text-to-image",
    "model": {"base": "base"},
    "data": {"uri": "data"},
    "output": {"uri": "out"},
}
WEBHOOK = {"kind": "webhook"}
TASK = {"kind": "clickup", "task_id": "86c2x9k1p"}
SHEET = {"kind": "smartsheet", "sheet_id": 7}


def load(*entries: dict[str, Any], **fields: Any) -> Loaded:
    return spec.load(json.dumps({**JOB, **fields, "notify": list(entries)}).encode())


def faults(*entries: dict[str, Any], **fields: Any) -> str:
    with pytest.raises(JobInvalid) as told:
        load(*entries, **fields)
    return str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T000/B000/planted0451",
        "https://acme.webhook.office.com/webhookb2/planted0451",
        "https://prod-1.westeurope.logic.azure.com:443/workflows/planted0451/triggers/manual/paths/invoke",
        "https://default1.environment.api.powerplatform.com/powerautomate/planted0451",
        "https://open.feishu.cn/open-apis/bot/v2/hook/planted0451",
        "https://open.larksuite.com/open-apis/bot/v2/hook/planted0451",
        "https://oapi.dingtalk.com/robot/send?access_token=planted0451",
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=planted0451",
        "https://discord.com/api/webhooks/1/planted0451",
        "https://hooks.example.com/a?sig=planted0451",
        "https://hooks.example.com/a?key=planted0451",
        "https://user:planted0451@hooks.example.com/a",
    ],
)
def test_a_secret_address(url: str) -> None:
    """An address that is enough to write somewhere is refused, and is not shown."""
    told = faults({**WEBHOOK, "url": url})
    assert "$.notify[0].url" in told and "planted0451" not in told and "1 fault" not in told


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/a", "hooks.example.com", "https://", "https://a b/c", "https://x:0/"]
)
def test_an_address_that_is_none(url: str) -> None:
    """Only https addresses are sent to."""
    assert "is no https address; write https://HOST/PATH" in faults({**WEBHOOK, "url": url})


def test_a_plain_address() -> None:
    """An address that is no secret is fine, also with a query."""
    assert load({**WEBHOOK, "url": "https://hooks.example.com/loraruner?team=a"}).warnings == ()


@pytest.mark.parametrize(
    ("entries", "place"),
    [
        ((WEBHOOK, {**WEBHOOK, "preset": "slack"}), "$.notify[1]: tells the same as $.notify[0]; give one"),
        ((TASK, SHEET, TASK), "$.notify[2]: tells the same as $.notify[0]; remove one"),
        ((SHEET, {**SHEET, "create_columns": True}), "$.notify[1]: tells the same"),
        (({**WEBHOOK, "url": "https://a.example.com/"},) * 2, "$.notify[1]: tells the same"),
    ],
)
def test_the_same_reader_twice(entries: tuple[dict[str, Any], ...], place: str) -> None:
    """Nobody is told everything twice by one job."""
    assert place in faults(*entries)


def test_the_task_of_the_data_twice() -> None:
    """A task that is named once, and once taken from the data, is the same task."""
    told = faults(TASK, {"kind": "clickup"}, data={"uri": "clickup://86c2x9k1p"})
    assert "$.notify[1]: tells the same as $.notify[0]" in told


def test_a_task_that_nothing_names() -> None:
    """Without a task id the data must come from a task."""
    assert "$.notify[0].task_id: is missing, and data.uri names no ClickUp task" in faults({"kind": "clickup"})
    load({"kind": "clickup"}, data={"uri": "clickup://86c2x9k1p"})


def test_different_readers() -> None:
    """Several tasks, sheets and addresses may be told at once."""
    more = ({**TASK, "task_id": "x1"}, {**SHEET, "sheet_id": 8}, {**WEBHOOK, "url": "https://a.example.com/"})
    assert len(load(WEBHOOK, TASK, SHEET, *more).spec.notify) == 6


def test_a_chat_that_would_be_flooded() -> None:
    """Many epochs in a chat are a warning; to a program, or without epochs, they are not."""
    chat = {**WEBHOOK, "preset": "slack"}
    many: dict[str, Any] = {"training": {"epochs": 50}}
    assert "$.notify[0].events: a chat gets a message after each of 50 epochs" in "".join(load(chat, **many).warnings)
    assert load({**chat, "events": ["finished"]}, **many).warnings == load(WEBHOOK, **many).warnings == ()


@pytest.mark.parametrize(
    "entries", [7, [7], [{}], [{"kind": 7}], [{"kind": "webhook", "url": 7}], [{"kind": "clickup", "task_id": 7}]]
)
def test_entries_of_other_types(entries: Any) -> None:
    """What the schema refuses already breaks nothing here."""
    with pytest.raises(JobInvalid):
        spec.load(json.dumps({**JOB, "notify": entries}).encode())
