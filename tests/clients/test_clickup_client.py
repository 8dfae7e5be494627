"""The calls to ClickUp: paging, custom ids, and values as people see them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loraruner import settings
from loraruner.clients.clickup import ClickUpClient, open_client, values_of
from loraruner.clients.clickup_records import Field
from loraruner.errors import DataInvalid, InputMissing, NoPermission, SpecInvalid
from tests.support import clickup
from tests.support.loop_scripts import LIST_ID, ClickUpServer


@pytest.fixture
def server() -> Iterator[ClickUpServer]:
    with ClickUpServer(clock=lambda: clickup.NOW) as running:
        yield running


@pytest.fixture
def client(server: ClickUpServer, tmp_path: Path) -> ClickUpClient:
    return clickup.hasty(server, tmp_path)


def test_tasks_of_a_status(server: ClickUpServer, client: ClickUpClient) -> None:
    """All pages of one status, each task once, in ClickUp's order."""
    ids = [server.create_task(f"{number}", status="ready to train") for number in range(205)]
    server.create_task("another")
    assert [task.id for task in client.tasks(LIST_ID, "ready to train")] == ids
    assert sum("/list/" in asked for asked in server.requests) == 3


def test_a_list_without_tasks(client: ClickUpClient) -> None:
    """An empty list has none."""
    assert list(client.tasks(LIST_ID, "training")) == []


def test_pages_that_repeat(client: ClickUpClient, server: ClickUpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that gives the same page for ever is asked for it twice."""
    page = {"tasks": [{"id": "a"}], "last_page": False}
    monkeypatch.setattr(server, "answer", lambda *call: page)
    assert [task.id for task in client.tasks(LIST_ID, "x")] == ["a"]
    assert len(server.requests) == 2


def test_values_as_people_see_them(server: ClickUpServer, client: ClickUpClient) -> None:
    """Every type of field is read as what is shown; empty ones are left out."""
    task = server.create_task("x")
    for kind, value in (("text", "a"), ("number", 3), ("currency", 2.5), ("checkbox", True), ("email", "a@b.c")):
        server.add_field(kind, kind)
        server.set_value(task, kind, value)
    server.add_field("choice", "drop_down", ("one", "two"))
    server.add_field("tags", "labels", ("x", "y", "z"))
    server.add_field("empty", "text")
    options = {field.name: [key for key, _ in field.options] for field in client.fields(LIST_ID)}
    server.set_value(task, "choice", options["choice"][1])
    server.set_value(task, "tags", [options["tags"][0], options["tags"][2]])
    assert values_of(client.task(task)) == {
        **{"text": "a", "number": 3, "currency": 2.5, "checkbox": True, "email": "a@b.c"},
        **{"choice": "two", "tags": ["x", "z"]},
    }


@pytest.mark.parametrize(("value", "shown"), [(0, "one"), (7, "two"), ("7", "two"), ("o2", "two"), (1, None)])
def test_options_after_some_were_deleted(value: Any, shown: str | None) -> None:
    """A choice is told by its position, which has gaps where options were deleted, or by its id."""
    options = [{"id": "o2", "name": "two", "orderindex": 7}, {"id": "o1", "name": "one", "orderindex": 0}]
    told = {"id": "f", "name": "x", "type": "drop_down", "type_config": {"options": options}, "value": value}
    assert Field.parse(told).shown == shown


@pytest.mark.parametrize("hours", [-10, -5, 0, 5.5, 9, 12, 13])
def test_days_of_people_everywhere(hours: float) -> None:
    """A day that somebody picks, kept as four in the morning there, is read as that day; so is one that we wrote."""
    midnight_ms = 1_798_761_600_000  # 2027-01-01 in UTC
    picked = Field("f", "Valid until", "date", value=str(int(midnight_ms + (4 - hours) * 3_600_000)))
    assert picked.shown == "2027-01-01"
    written = Field("f", "Valid until", "date").encode("2027-01-01")
    assert Field("f", "Valid until", "date", value=written).shown == "2027-01-01"
    assert midnight_ms <= written + hours * 3_600_000 < midnight_ms + 24 * 3_600_000


@pytest.mark.parametrize(
    ("kind", "value"),
    [("number", "x"), ("date", "9" * 30), ("drop_down", 99), ("drop_down", "gone"), ("labels", ["gone"]), ("users", 1)],
)
def test_values_that_are_none(kind: str, value: Any) -> None:
    """A value that does not fit its field is no value, never a crash."""
    assert Field("f", "x", kind, value=value).shown is None


def test_a_custom_id_in_two_places(server: ClickUpServer, client: ClickUpClient, monkeypatch: Any) -> None:
    """With a token of two Workspaces a custom id is refused, and the message says what to write instead."""
    monkeypatch.setattr(server, "answer", lambda *call: {"teams": [{"id": "1"}, {"id": "2"}]})
    with pytest.raises(SpecInvalid, match="name the task by its own id"):
        client.task("ART-1")


@pytest.mark.parametrize("answer", [{"tasks": 1}, [], {"tasks": [{"id": "a", "custom_fields": [{"id": 1}]}]}, 5])
def test_malformed_lists(client: ClickUpClient, server: ClickUpServer, monkeypatch: Any, answer: Any) -> None:
    """A list of another shape is 65."""
    monkeypatch.setattr(server, "answer", lambda *call: answer)
    with pytest.raises(DataInvalid, match="malformed"):
        list(client.tasks(LIST_ID, "x"))


def test_ids_stay_in_their_place(server: ClickUpServer, client: ClickUpClient) -> None:
    """An id is one part of the path, whatever it holds."""
    with pytest.raises(InputMissing):
        client.task("../list/901")
    assert server.requests == ["GET /v2/task/..%2Flist%2F901"]


def test_listed_hosts(tmp_path: Path) -> None:
    """Where the operator lists hosts, ClickUp must be one of them."""
    environment = {"HOME": str(tmp_path), "CLICKUP_TOKEN": "pk_1234567", "LORARUNER_ALLOWED_HOSTS": "hooks.example.com"}
    with pytest.raises(NoPermission, match=r"api\.clickup\.com"):
        open_client(settings.load(environment))
    open_client(settings.load({**environment, "LORARUNER_ALLOWED_HOSTS": "api.clickup.com"}))
