"""Outputs that cannot take a version, and versions that exist, as a user meets them."""

import errno
from pathlib import Path

import pytest

from tests.support.published import publish_version
from tests.support.user import User, assert_refused, write_job


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


@pytest.mark.parametrize("below", ["", "/folder"])
def test_an_output_that_cannot_be_written(user: User, tmp_path: Path, below: str) -> None:
    """77 with the key, from ``train`` before anything is fetched and from ``validate --remote``."""
    job = write_job(tmp_path)
    (tmp_path / "file").touch()
    for command in (("train", job), ("validate", job, "--remote")):
        told = user.run(*command, overrides=[f"output.uri={tmp_path}/file{below}"])
        assert_refused(told, 77, "NO_PERMISSION", f"$.output.uri: {tmp_path}/file", "name a folder this user may write")


def test_a_full_disk_under_the_output(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """78, told from the first write, which is the probe's."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    job = write_job(tmp_path)
    (tmp_path / "cache").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setattr("loraruner.stores.local_write.create", full)
    assert_refused(user.train(job), 78, "ENVIRONMENT", "$.output.uri", "the disk is full", "free some space")


def test_a_version_of_another_run(user: User, tmp_path: Path) -> None:
    """73 with the run it belongs to and the way out; the version stays as it is."""
    published = publish_version(tmp_path / "out", name="tiny")
    manifest = tmp_path / "out" / "tiny" / "versions" / published.version / "manifest.json"
    before = manifest.read_bytes()
    job = write_job(tmp_path)
    for command in (("train", job), ("validate", job, "--remote")):
        told = user.run(*command, overrides=[f'output.version="{published.version}"'])
        run_id = published.manifest["run_id"]
        assert_refused(told, 73, "VERSION_CONFLICT", "$.output.version", f"made by run {run_id}", 'or "auto"')
    assert manifest.read_bytes() == before


def test_a_store_that_is_down(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """75 after the retries, with the variable that names the endpoint."""
    monkeypatch.setattr("loraruner.stores.retry.FIRST_PAUSE_S", 0.001)
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    job = write_job(tmp_path)
    told = user.train(job, "data.uri=s3://bucket/pictures")
    assert_refused(told, 75, "TEMPFAIL", "s3://bucket/pictures", "cannot be reached", "AWS_ENDPOINT_URL_S3")
    assert not (tmp_path / "out").exists()
    told = user.train(job, "output.uri=s3://bucket/loras")
    assert_refused(told, 75, "TEMPFAIL", "$.output.uri: s3://bucket/loras", "cannot be reached")
