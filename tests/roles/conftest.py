"""A server that enforces the roles of docs/roles, and a base and pictures in its buckets."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from loraruner import settings
from loraruner.stores import open_store, retry
from tests.support import roles_server
from tests.support.s3_server import seaweedfs
from tests.support.user import write_job

__all__ = ["seaweedfs"]


@pytest.fixture(scope="module")
def enforcing(seaweedfs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a running server with one user a role."""
    with roles_server.serve(seaweedfs, tmp_path_factory.mktemp("enforcing") / "data") as endpoint:
        yield endpoint


@pytest.fixture
def act_as(seaweedfs: ModuleType, enforcing: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[roles_server.ActAs]:
    """Be a role's user (None: the administrator) from now on, at the server or ``via`` a proxy before it."""

    def act(role: str | None, via: str = enforcing) -> None:
        for name, value in roles_server.variables(seaweedfs, via, role).items():
            monkeypatch.setenv(name, value)

    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)
    yield act


@pytest.fixture
def job(tiny_base: Path, tmp_path: Path, act_as: roles_server.ActAs) -> Path:
    """A picture job whose base, data and output lie in the three buckets."""
    act_as(None)
    written = write_job(
        tmp_path,
        tiny_base,
        model={"base": "s3://models/tiny/"},
        data={"uri": "s3://data/pictures/"},
        checkpoint={"every_steps": 1, "keep": 1},
        sampling={"prompts": ["a circle"]},
        output={"uri": "s3://loras/team/"},
    )
    for folder, uri in ((tiny_base, "s3://models/tiny/"), (tmp_path / "pictures", "s3://data/pictures/")):
        store = open_store(uri, settings.load())
        for path in (each for each in folder.rglob("*") if each.is_file()):
            store.upload(path, path.relative_to(folder).as_posix())
    return written
