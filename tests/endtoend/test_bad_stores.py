"""A real S3 server that lacks the bucket or refuses the credentials, as a user meets it."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.support.user import User, assert_refused, write_job


@pytest.fixture
def variables(seaweedfs: ModuleType, endpoint: str, bucket: str) -> dict[str, str]:
    """The AWS_* variables of a running server with the bucket ``loras``."""
    assert bucket == "loras"
    found: dict[str, str] = seaweedfs.environment(endpoint)
    return found


@pytest.fixture
def user(variables: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> User:
    """A user whose environment names the server, with good credentials."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return User(capsys)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["model.base", "data.uri", "output.uri"])
def test_a_bucket_that_is_not_there(user: User, tmp_path: Path, key: str) -> None:
    """66 with the key and the bucket, for inputs and output alike."""
    told = user.train(write_job(tmp_path), f"{key}=s3://nowhere/folder")
    assert_refused(told, 66, "INPUT_MISSING", f"$.{key}: s3://nowhere/folder", "'nowhere' does not exist; create it")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_prefix_that_holds_nothing(user: User, tmp_path: Path) -> None:
    """66 for an input below which there is no object."""
    told = user.train(write_job(tmp_path), "data.uri=s3://loras/nothing/")
    assert_refused(told, 66, "INPUT_MISSING", "$.data.uri: s3://loras/nothing/", "check the address")


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("key", ["data.uri", "output.uri"])
def test_wrong_credentials(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, variable: str
) -> None:
    """77 that names the variable to correct, never its value, and never "not there"."""
    monkeypatch.setenv(variable, "wrong-credential")
    told = user.train(write_job(tmp_path), f"{key}=s3://loras/folder")
    assert_refused(told, 77, "NO_PERMISSION", f"$.{key}: s3://loras/folder", "access denied", variable)
    assert "wrong-credential" not in told.err
    assert not (tmp_path / "out").exists()
