"""``data label`` on a data set and a captioner that lie on a real S3 server."""

from pathlib import Path
from types import ModuleType

import pytest

from loraruner import settings
from loraruner.stores import open_store
from tests.support.tiny_captioners import save_pictures, write_tiny_git
from tests.support.user import User


@pytest.fixture
def variables(seaweedfs: ModuleType, endpoint: str) -> dict[str, str]:
    """The AWS_* variables of a running server with the bucket ``data``."""
    seaweedfs.create_bucket(endpoint, "data")
    found: dict[str, str] = seaweedfs.environment(endpoint)
    return found


def upload(folder: Path, uri: str) -> None:
    store = open_store(uri, settings.load())
    for path in folder.iterdir():
        store.upload(path, path.name)


@pytest.mark.slow
def test_from_a_bucket(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both are fetched, and the file is that of the same folders on the disk; nothing is written to the bucket."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    save_pictures(tmp_path / "pictures", 3)
    (tmp_path / "pictures/01.txt").write_text("by hand")
    write_tiny_git(tmp_path / "git")
    for name in ("pictures", "git"):
        upload(tmp_path / name, f"s3://data/{name}/")
    user = User(capsys)
    for name, root in (("s3", "s3://data/"), ("disk", f"{tmp_path}/")):
        output = tmp_path / f"{name}.csv"
        told = user.run("data", "label", f"{root}pictures", "--model", f"{root}git", "--output", output)
        assert told.code == 0, told.err
        assert (told.result["captioned"], told.result["kept"]) == (2, 1)
    assert (tmp_path / "s3.csv").read_bytes() == (tmp_path / "disk.csv").read_bytes()
    assert len(list(open_store("s3://data/", settings.load()).list())) == 4 + len(list((tmp_path / "git").iterdir()))
