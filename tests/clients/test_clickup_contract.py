"""Every call to ClickUp, held against ClickUp's own OpenAPI document by Prism; and so is the stand-in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loraruner.clients.clickup import ClickUpClient, open_client, values_of
from loraruner.clients.clickup_records import Field
from loraruner.clients.http import JsonClient, Refused
from loraruner.settings import Settings
from loraruner.settings import load as load_settings
from loraruner.stores import open_store
from tests.support import clickup, openapi, prism
from tests.support.loop_scripts import LIST_ID, ClickUpServer
from tests.support.prism import Judged

pytestmark = pytest.mark.slow
TOKEN = "pk_demo_token"
VALUES: dict[str, Any] = {
    **{"text": "a", "short_text": "a", "url": "https://x/", "email": "a@b.c", "number": 1.5, "currency": 2},
    **{"checkbox": True, "date": "2027-01-01", "drop_down": "b", "labels": "b"},
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prism.readable(openapi.document("clickup-v2"), tmp_path_factory.mktemp("openapi"))


@pytest.fixture(scope="module")
def server() -> Iterator[ClickUpServer]:
    with ClickUpServer(token=TOKEN, clock=lambda: clickup.NOW) as running:
        yield running


@pytest.fixture(scope="module")
def judged(server: ClickUpServer, document: Path) -> Iterator[Judged]:
    """Prism before the stand-in."""
    with prism.proxy(document, server.url) as running:
        yield running


@pytest.fixture(scope="module")
def mocked(document: Path) -> Iterator[Judged]:
    """Prism in place of ClickUp."""
    with prism.mock(document) as running:
        yield running


def at(url: str) -> Settings:
    return load_settings({"HOME": "/nonexistent", "CLICKUP_TOKEN": TOKEN, "CLICKUP_API_URL": url})


def client(judged: Judged) -> ClickUpClient:
    return open_client(at(judged.url), tries=1)


def test_a_run_is_told_by_the_contract(server: ClickUpServer, judged: Judged, tmp_path: Path) -> None:
    """All messages of a run, with files and fields: nothing that the document refuses, neither asked nor answered."""
    task = server.create_task("Campaign")
    for title, kind in (("Model version", "text"), ("Valid until", "date"), ("Peak memory", "number")):
        server.add_field(title, kind)
    telling = clickup.notifier(server, tmp_path, task, statuses={"started": "training", "finished": "review"})
    telling._client = client(judged)
    telling.send(clickup.message("started", "started"))
    for epoch in ("1", "2"):
        telling.send(clickup.message(f"epoch-{epoch}", "epoch", epoch))
    telling.send(clickup.message("warning-plateau-500", "warning"))
    telling.send(clickup.finished(tmp_path / "files", report=5, log=6))
    telling.send(clickup.message("failed-79-1", "failed", data={"log": ["a"]}))
    assert judged.violations() == []
    assert len(server.comments(task)) == 5
    assert server.status(task) == "review"
    assert len(server.attachments(task)) == 2
    assert len(server.values(task)) == 3


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_fields_by_the_contract(server: ClickUpServer, judged: Judged, kind: str) -> None:
    """The value of every type that is written has a form that the document knows, and is read back as it was."""
    task = server.create_task("Fields")
    field_id = server.add_field(f"A {kind}", kind, ("a", "b") if kind in ("drop_down", "labels") else ())
    here = client(judged)
    field = next(each for each in here.fields(LIST_ID) if each.id == field_id)
    here.set_field(task, field.id, field.encode(VALUES[kind]))
    found = values_of(here.task(task))[f"A {kind}"]
    assert found == ([VALUES[kind]] if kind == "labels" else VALUES[kind])
    assert judged.violations() == []


def test_what_dispatch_and_data_ask(server: ClickUpServer, judged: Judged) -> None:
    """Lists by status, times in status, custom ids and attachments are asked and answered as the document says."""
    task = server.create_task("Data", status="ready to train")
    server.tasks[task]["custom_id"] = "ART-7"
    server.attach(task, "a.txt", b"a")
    here = client(judged)
    assert task in [each.id for each in here.tasks(LIST_ID, "ready to train")]
    assert here.time_in_status(task).status == "ready to train"
    assert here.task("ART-7").id == task
    assert [info.key for info in open_store(f"clickup://{task}", at(judged.url)).list()] == ["a.txt"]
    assert judged.violations() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v2/task/{task}/comment", {"comment_text": "a"}),
        ("PUT", "/v2/comment/{comment}", {"comment_text": "a"}),
        ("POST", "/v2/task/{task}/field/{field}", {"value": None}),
    ],
)
def test_prism_and_the_stand_in_refuse(
    server: ClickUpServer, judged: Judged, method: str, path: str, body: dict[str, str]
) -> None:
    """A call that the document refuses is refused by Prism before it reaches the stand-in, and by that alone, too."""
    task = server.create_task("x")
    path = path.format(task=task, comment=server.comment(task, "a"), field=server.add_field("Text", "text"))
    for base in (judged.url, server.url):
        asked = JsonClient(base, headers={"Authorization": TOKEN}, name="x", settings=at(base), own=True)
        with pytest.raises(Refused) as raised:
            asked.request(method, path, json=body)
        assert raised.value.status == (422 if base == judged.url else 400)


def test_the_vendors_examples_are_understood(mocked: Judged) -> None:
    """The answers that ClickUp's document gives as examples become records."""
    here = client(mocked)
    task = here.task("9hx")
    assert task.id == "9hx"
    assert task.status == "in progress"
    assert values_of(task)["Story Points"] == 8
    assert [(comment.id, comment.author) for comment in here.comments("9hx")] == [("458", 183)]
    assert next(options for field in task.fields for options in field.options)[1] == "No Marketing Needed"
    assert here.time_in_status("9hz").history
    assert here.post_comment("9hx", "text") == "458"
    assert all(isinstance(field, Field) and field.id for field in here.fields("123"))
