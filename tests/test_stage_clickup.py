"""A task's attachments as the data of a job: archives and loose files in one folder."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from loraruner import stage
from loraruner.errors import (
    DataInvalid,
    EnvironmentUnfit,
)
from loraruner.settings import Settings
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


def packed(**files: str) -> bytes:
    """A zip with these files; ``__`` in a name stands for ``/``, a name gets the ending .txt."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(f"{name.replace('__', '/')}.txt", (2024, 1, 1, 0, 0, 0)), text)
    return stream.getvalue()


def fetched(task: str, here: Settings) -> stage.Fetched:
    return stage.fetch_one(stage.list_input("$.data.uri", f"clickup://{task}", here), here)


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_changed_attachment_is_another_input(server: ClickUpServer, task: str, here: Settings) -> None:
    """The fingerprint depends on what is attached, and not on status, comments or own files."""

    def fingerprint() -> str:
        return stage.list_input("$.data.uri", f"clickup://{task}", here).fingerprint

    server.attach(task, "a.txt", b"one")
    before = fingerprint()
    server.comment(task, "nice")
    server.move(task, "training")
    server.attach(task, "loraruner-x-v1-train.log", b"log")
    assert fingerprint() == before
    server.tasks[task]["attachments"].pop(0)
    server.attach(task, "a.txt", b"one")
    assert fingerprint() != before


def test_archives_and_loose_files(server: ClickUpServer, task: str, here: Settings) -> None:
    """Archives are unpacked and lie beside the loose files; the same again comes from the cache."""
    server.attach(task, "one.zip", packed(set__a="a", set__sub__b="b"))
    server.attach(task, "two.zip", packed(c="c", d="d"))
    server.attach(task, "metadata.csv", b"file_name,text\n")
    found = fetched(task, here)
    expected = {"a.txt": "a", "sub/b.txt": "b", "c.txt": "c", "d.txt": "d", "metadata.csv": "file_name,text\n"}
    assert content(found.path) == expected
    asked = len(server.requests)
    assert fetched(task, here) == found
    assert not any("/files/" in request for request in server.requests[asked:])
    (found.path / "a.txt").write_text("damaged")
    assert content(fetched(task, here).path) == expected


def test_a_task_without_archives(server: ClickUpServer, task: str, here: Settings) -> None:
    """Loose files are the folder as it is."""
    server.attach(task, "a.txt", b"a")
    assert content(fetched(task, here).path) == {"a.txt": "a"}


def test_the_digest_is_of_the_attachments(server: ClickUpServer, here: Settings, tmp_path: Path) -> None:
    """The digest is that of titles and contents: another task with the same files has the same one."""
    digests = []
    for name in ("x", "y"):
        task = server.create_task(name)
        for title, data in (("a.txt", b"a"), ("b.zip", packed(b="b")))[:: 1 if name == "x" else -1]:
            server.attach(task, title, data)
        digests.append(fetched(task, here).sha256)
    assert digests[0] == digests[1]


def test_one_path_twice(server: ClickUpServer, task: str, here: Settings) -> None:
    """The same file from two archives is one file; other content for one path is 65 and names both sources."""
    server.attach(task, "one.zip", packed(a="same", b="1"))
    server.attach(task, "two.zip", packed(a="same", c="2"))
    assert content(fetched(task, here).path) == {"a.txt": "same", "b.txt": "1", "c.txt": "2"}
    server.attach(task, "three.zip", packed(b="other", x="y"))
    with pytest.raises(DataInvalid, match=r"'b\.txt' of 'three\.zip' and 'b\.txt' of 'one\.zip'") as raised:
        fetched(task, here)
    assert "remove or rename" in str(raised.value)
    assert not list((here.cache / "gathered").glob("*.unpacked"))


@pytest.mark.parametrize("other", [{"B": "1", "x": "y"}, {"b.txt__c": "1", "x": "y"}])
def test_paths_that_some_disks_take_for_one(
    server: ClickUpServer, task: str, here: Settings, other: dict[str, str]
) -> None:
    """Paths that differ in case alone, or a file that is a folder elsewhere, are 65."""
    server.attach(task, "one.zip", packed(a="a", b="1"))
    server.attach(task, "two.zip", packed(**other))
    with pytest.raises(DataInvalid, match="are one place"):
        fetched(task, here)


@pytest.mark.parametrize("kind", ["bomb", "climbing", "cut"])
def test_hostile_archives(server: ClickUpServer, task: str, here: Settings, kind: str) -> None:
    """A bomb, a path that climbs out, a damaged archive: 65, and nothing is left behind."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt" if kind != "climbing" else "../a.txt", b"0" * (40 << 20 if kind == "bomb" else 10))
    data = stream.getvalue()
    server.attach(task, "a.zip", data[: len(data) // 2] if kind == "cut" else data)
    server.attach(task, "note.txt", b"x")
    with pytest.raises(DataInvalid, match=r"a\.zip"):
        fetched(task, here)
    assert not [path for path in (here.cache / "gathered").rglob("*") if path.is_file()]


def test_documents_are_no_archives(server: ClickUpServer, task: str, here: Settings) -> None:
    """A brief from an office suite is a zip inside, but its parts are no data; what has no ending is looked into."""
    server.attach(task, "brief.docx", packed(word__media__logo="logo"))
    server.attach(task, "pictures", packed(a="a"))
    path = fetched(task, here).path
    assert sorted(each.name for each in path.iterdir()) == ["a.txt", "brief.docx"]


def test_what_is_not_opened_is_told(
    server: ClickUpServer, task: str, here: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Archives of other kinds, and archives in archives, stay as they are: a warning names them and what to do."""
    inner = packed(a="a")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("inner.zip", inner)
    server.attach(task, "outer.zip", stream.getvalue())
    server.attach(task, "more.rar", b"Rar!\x1a\x07\x00")
    fetched(task, here)
    assert f"clickup://{task}: not opened: 'inner.zip', 'more.rar'; pack the files themselves" in caplog.text


def test_errors_name_the_task(server: ClickUpServer, task: str, here: Settings) -> None:
    """People are told the address and the attachment, not a place in a cache."""
    server.attach(task, "a.zip", b"PK\x03\x04")
    with pytest.raises(DataInvalid, match=rf"^clickup://{task}/a\.zip: "):
        fetched(task, here)
    path = here.cache / "inputs" / "1"
    with pytest.raises(DataInvalid, match=r"^no s3://data/set/x$"), stage.addresses_named(path, "s3://data/set/"):
        raise DataInvalid(f"no {path}/x")
    with pytest.raises(DataInvalid, match=r"^no /data/x$"), stage.addresses_named(Path("/data"), "file:///data"):
        raise DataInvalid("no /data/x")


def test_limits_count_for_all_archives(tmp_path: Path) -> None:
    """Many archives together may not hold more than one alone."""
    from loraruner.data.archives import Limits
    from loraruner.data.gathered import gather

    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.zip").write_bytes(packed(**{name: name, f"{name}2": name}))
    sources = {path.name: path for path in tmp_path.glob("*.zip")}
    with pytest.raises(DataInvalid, match="members"):
        gather(sources, tmp_path / "out", limits=Limits(max_members=5))
    assert not (tmp_path / "out").exists()
    gather(sources, tmp_path / "out", limits=Limits(max_members=6))


def test_two_gigabytes(server: ClickUpServer, task: str, here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A size above 2 GiB is told as it is, and room for archive and content is asked for before the first byte."""
    server.attach(task, "set.zip", b"PK", size_bytes=5 << 30)
    server.attach(task, "big.wav", b"1", size_bytes=3 << 30)
    listed = stage.list_input("$.data.uri", f"clickup://{task}", here)
    assert listed.size_bytes == 8 << 30
    asked: list[int] = []

    def full(folder: Path, needed_bytes: int, what: str) -> None:
        asked.append(needed_bytes)
        raise EnvironmentUnfit("full")

    monkeypatch.setattr(stage, "require_free", full)
    with pytest.raises(EnvironmentUnfit):
        stage.fetch_one(listed, here)
    assert asked == [(5 * stage.ARCHIVE_GROWTH + 3) << 30]
    assert not any("/files/" in request for request in server.requests)
