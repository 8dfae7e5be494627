"""``loraruner selftest store`` as a user meets it."""

import http.client
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

from loraruner import settings
from loraruner.faults import proxy, trial
from loraruner.faults.kinds import KINDS
from loraruner.stores import local_write, open_store
from loraruner.stores.base import Capabilities
from loraruner.stores.local import LocalStore
from loraruner.stores.s3 import S3Store
from tests.support import web_server
from tests.support.user import User

CHECKS = ["create, one winner", "replace, one winner", "small file", "file in parts", "list after write", "clock"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of ``localhost`` in one file."""
    return web_server.make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_folder(user: User, tmp_path: Path, prefix: str) -> None:
    """All checks pass on the local disk, no fault is planted, and the folder is as empty as before."""
    told = user.run("selftest", "store", f"{prefix}{tmp_path}/store", "--seed", "3", "--format", "json")
    assert told.code == 0, told.err
    assert [(check["check"], check["ok"]) for check in told.result["checks"]] == [(name, True) for name in CHECKS]
    assert (told.result["faults"], told.result["wrong"], told.result["seed"]) == ([], [], 3)
    assert told.result["capabilities"]["create_exclusive"] is True
    assert list((tmp_path / "store").iterdir()) == []
    assert [line[:4] for line in told.err.splitlines()[1:]] == ["ok  "] * len(CHECKS)


def test_a_table(user: User, tmp_path: Path) -> None:
    """For people the checks are lines, and the end is a short table."""
    told = user.run("selftest", "store", tmp_path / "store", "--format", "table")
    assert told.code == 0 and "replace_if_match  true" in told.out and not told.out.startswith("{")
    assert "ok   small file: 65,536 bytes up and down, SHA-256 equal" in told.err


def test_a_store_with_two_winners(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store whose exclusive create lets several win ends with 74 and says so; it is cleaned up all the same."""
    monkeypatch.setattr(local_write, "create", local_write.replace)
    monkeypatch.setattr(LocalStore, "probe", lambda self: Capabilities(True, True, "none"))
    told = user.run("selftest", "store", tmp_path / "store", "--format", "json")
    assert told.code == 74 and "8 of 8 rivals won" in told.last
    assert [check["ok"] for check in told.result["checks"]].count(False) == 1
    assert list((tmp_path / "store").iterdir()) == []


def test_a_store_without_conditions(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a store does not offer is told as such; it is no broken promise."""
    monkeypatch.setattr(LocalStore, "probe", lambda self: Capabilities(False, False, "none"))
    monkeypatch.setattr(LocalStore, "age_s", lambda self, key: None)
    told = user.run("selftest", "store", tmp_path / "store", "--format", "json")
    assert told.code == 0
    oks = {check["check"]: check["ok"] for check in told.result["checks"]}
    assert [name for name, ok in oks.items() if ok is None] == ["create, one winner", "replace, one winner", "clock"]


@pytest.mark.parametrize("uri", ["https://example.org/file", "hf://org/name"])
def test_a_store_that_cannot_be_written(user: User, uri: str) -> None:
    """77, before anything is asked."""
    told = user.run("selftest", "store", uri)
    assert told.code == 77 and "can only be read" in told.last


@pytest.mark.parametrize("uri", ["s3://", "s3://-b/x", "ftp://host/x"])
def test_no_address(user: User, uri: str) -> None:
    """64, and nothing is made on the disk."""
    assert user.run("selftest", "store", uri).code == 64


def test_a_store_that_is_down(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """75, as any command that meets it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testtest")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    told = user.run("selftest", "store", "s3://bucket/x")
    assert told.code == 75 and "cannot be reached" in told.last


@pytest.mark.slow
def test_a_bucket(user: User, seaweedfs: ModuleType, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks and two kinds of fault at one rate against a real server; nothing is left in the bucket."""
    seaweedfs.create_bucket(endpoint, "trial")
    for name, value in seaweedfs.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("loraruner.faults.kinds.KINDS", [kind for kind in KINDS if kind.name in ("cut", "403")])
    told = user.run("selftest", "store", "s3://trial/below", "--rate", "20", "--seed", "5", "--format", "json")
    assert told.code == 0, told.err
    assert [check["ok"] for check in told.result["checks"]] == [True] * len(CHECKS)
    rows = {row["kind"]: row for row in told.result["faults"]}
    assert set(rows) == {"cut", "403"} and set(rows["403"]["refused"]) == {"77"} and rows["cut"]["refused"] == {}
    assert all(row["rate"] == 0.2 and row["injected"] and row["wrong"] == 0 for row in rows.values())
    assert list(open_store("s3://trial/", settings.load()).list()) == []


def test_the_way_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A diverted request keeps the Host it was signed for, also a bucket's own, and says where it must go."""
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with proxy.serve() as running:
        running.fault = lambda seen: "ok"
        store = open_store("s3://bucket/root", settings.load())
        assert isinstance(store, S3Store)
        store.tuned(trial.small_requests(via=running.endpoint)).write("k", b"data")
    seen = running.seen[0]
    assert (seen.path, seen.headers["host"]) == ("/root/k", "bucket.s3.amazonaws.com")
    assert seen.headers["x-loraruner-upstream"] == "https://bucket.s3.amazonaws.com"
    assert "host;" in seen.headers["authorization"] and "x-loraruner" not in seen.headers["authorization"]


def test_the_proxy_checks_certificates(certificate: Path) -> None:
    """A server behind the proxy is asked over TLS, and only when its certificate is trusted."""
    with web_server.serve(certificate) as web:
        web.pages["/page"] = web_server.Page(b"content")
        for cafile, status in ((str(certificate), 200), (None, 502)):
            with proxy.serve(web.url, cafile=cafile) as running:
                connection = http.client.HTTPConnection(urlsplit(running.endpoint).netloc, timeout=5)
                connection.request("GET", "/page", headers={"Host": urlsplit(web.url).netloc})
                assert connection.getresponse().status == status
                connection.close()
