"""A task's attachments as a store, and as data: whatever people attach, and whatever goes wrong."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loraruner import settings, stage
from loraruner.clients import clickup as clickup_client
from loraruner.errors import (
    EnvironmentUnfit,
    InputMissing,
    LoraRunerError,
    NoPermission,
    SpecInvalid,
    TemporaryFailure,
)
from loraruner.settings import Settings
from loraruner.stores import open_store
from tests.support import clickup
from tests.support.loop_scripts import ClickUpServer


@pytest.fixture
def server() -> Iterator[ClickUpServer]:
    with ClickUpServer(clock=lambda: clickup.NOW) as running:
        yield running


@pytest.fixture
def here(server: ClickUpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    clickup.without_pauses(monkeypatch)
    return clickup.environment(server, tmp_path)


@pytest.fixture
def task(server: ClickUpServer) -> str:
    return server.create_task("Campaign style")


def keys(task: str, here: Settings) -> list[str]:
    return [info.key for info in open_store(f"clickup://{task}", here).list()]


def fetched(task: str, here: Settings) -> stage.Fetched:
    return stage.fetch_one(stage.list_input("$.data.uri", f"clickup://{task}", here), here)


def test_attachments_are_objects(server: ClickUpServer, task: str, here: Settings, tmp_path: Path) -> None:
    """Title, size and content come back; what was attached by loraruner is no data."""
    server.attach(task, "a.txt", b"one")
    first = server.attach(task, "b.txt", b"three")
    server.attach(task, "loraruner-x-v1-report.html", b"<html>")
    store = open_store(f"clickup://{task}", here)
    objects = list(store.list())
    assert [(info.key, info.size_bytes) for info in objects] == [("a.txt", 3), ("b.txt", 5)]
    assert objects[1].etag.startswith(first)
    assert store.read("b.txt")[0] == b"three"
    assert store.download("b.txt", tmp_path / "b").size_bytes == 5
    assert store.head("c.txt") is None


def test_the_token_stays_with_the_api(server: ClickUpServer, task: str, here: Settings, tmp_path: Path) -> None:
    """The servers that hold the files never see the token, though one of them is the API's own here."""
    server.attach(task, "a.txt", b"one")
    open_store(f"clickup://{task}", here).download("a.txt", tmp_path / "a")
    assert any("/files/" in asked for asked in server.requests)
    assert not server.tokens_at_files


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "attachment"),
        ("", "attachment"),
        (".hidden", "hidden"),
        ("a\\b:c.png", "a_b_c.png"),
        ("a\x00\x1b[2Jb.txt", "a [2Jb.txt"),
        ("na\u0308he.png", "nähe.png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("x" * 3000 + ".png", "x" * 150),
        ("猫" * 90 + ".jpeg", "猫" * 48 + ".jpeg"),
        ("\ud800.png", "png"),
    ],
)
def test_hostile_titles(server: ClickUpServer, task: str, here: Settings, title: str, key: str) -> None:
    """A title becomes one safe, bounded part of a path that keeps its ending where there is one."""
    server.attach(task, title, b"1")
    assert keys(task, here) == [key]


def test_one_title_twice(server: ClickUpServer, task: str, here: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Attachments of one title, also in another case, are told apart by their ids, and that is warned of."""
    ids = [server.attach(task, title, title.encode()) for title in ("cat.png", "Cat.png", "dog.png")]
    assert keys(task, here) == [f"Cat-{ids[1]}.png", f"cat-{ids[0]}.png", "dog.png"]
    assert "several attachments are called 'cat.png'" in caplog.text


@pytest.mark.parametrize(
    ("prepare", "error", "told"),
    [
        (lambda server, task: server.delete(task), InputMissing, "deleted"),
        (lambda server, task: server.tasks[task]["attachments"].clear(), InputMissing, "has no attachments"),
        (lambda server, task: setattr(server, "token", "pk_other"), NoPermission, "CLICKUP_TOKEN"),
        (lambda server, task: server.inject(503, times=9), TemporaryFailure, "unavailable"),
        (lambda server, task: server.inject(429, times=9), TemporaryFailure, "too many requests"),
    ],
)
def test_what_goes_wrong(
    server: ClickUpServer, task: str, here: Settings, prepare: Any, error: type[LoraRunerError], told: str
) -> None:
    """A deleted task, an empty one, a wrong token, a service that is away: each has its code and its sentence."""
    server.attach(task, "a.txt", b"a")
    prepare(server, task)
    with pytest.raises(error, match=told) as raised:
        stage.list_input("$.data.uri", f"clickup://{task}", here)
    assert str(raised.value).startswith("$.data.uri: ")
    assert "pk_" not in str(raised.value)


def test_no_token(tmp_path: Path) -> None:
    """Without a token the job is told what to set."""
    with pytest.raises(EnvironmentUnfit, match="CLICKUP_TOKEN_FILE"):
        stage.list_input("$.data.uri", "clickup://86c1", settings.load({"HOME": str(tmp_path)}))


@pytest.mark.parametrize("uri", ["clickup://", "clickup://a/b", "clickup://..", "clickup://a b", "clickup://a?x"])
def test_no_task(uri: str, here: Settings) -> None:
    """What is no address of a task is 64."""
    with pytest.raises(SpecInvalid, match="clickup://TASK_ID"):
        open_store(uri, here)


@pytest.mark.parametrize(
    ("prefixes", "good"),
    [("clickup://", True), ("clickup://86c1", True), ("clickup://86c", False), ("s3://data", False)],
)
def test_the_operator_judges_tasks_too(tmp_path: Path, prefixes: str, good: bool) -> None:
    """LORARUNER_ALLOWED_PREFIXES allows all tasks, one task, or none."""
    there = settings.load(
        {"HOME": str(tmp_path), "CLICKUP_TOKEN": "pk_1234567", "LORARUNER_ALLOWED_PREFIXES": prefixes}
    )
    if good:
        open_store("clickup://86c1", there)
    else:
        with pytest.raises(NoPermission, match="LORARUNER_ALLOWED_PREFIXES"):
            open_store("clickup://86c1", there)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://files.example.com/a.txt", "no https address"),
        ("file:///etc/passwd", "no https address"),
        ("https://user:word@files.example.com/a", "no https address"),
        ("https://169.254.169.254/latest", "not a public one"),
        ("https://[::1]:443/x", "not a public one"),
        ("https://[x/", "no https address"),
    ],
)
def test_where_files_may_lie(server: ClickUpServer, task: str, here: Settings, url: str, told: str) -> None:
    """A file is fetched over https from a public server alone, whatever the task says."""
    server.attach(task, "a.txt", b"1", url=url)
    with pytest.raises(NoPermission, match=told) as raised:
        fetched(task, here)
    assert "word" not in str(raised.value).replace("password", "")


def test_another_port_is_another_server(server: ClickUpServer, task: str, here: Settings) -> None:
    """Only the very server that the operator named may lie on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        server.attach(task, "a.txt", b"1", url=f"http://127.0.0.1:{other.getsockname()[1]}/a.txt")
        with pytest.raises(NoPermission, match="no https address"):
            fetched(task, here)


def test_it_can_only_be_read(here: Settings, tmp_path: Path) -> None:
    """Every writing method is refused."""
    store = open_store("clickup://86c1", here)
    for call in (
        store.probe,
        lambda: store.write("a", b""),
        lambda: store.upload(tmp_path, "a"),
        lambda: store.delete("a"),
    ):
        with pytest.raises(NoPermission, match="can only be read"):
            call()
    assert store.age_s("a") is None


def test_own_prefix() -> None:
    """The prefix of own files is a public contract."""
    assert clickup_client.OWN_PREFIX == "loraruner-"
