"""A whole training job whose output is a bucket behind a network that fails."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from loraruner import settings
from loraruner.faults.kinds import KINDS, Draw, Kind
from loraruner.faults.proxy import Proxy
from loraruner.files import digest_bytes
from loraruner.stores import open_store
from tests.support.user import User, write_job

CHOSEN = ("reset", "flipped bit", "lost answer", "stale LIST", "403")
TRIES = 4  # attempts at one job


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in CHOSEN], ids=lambda kind: kind.name)
def test_a_job(
    kind: Kind, proxy: Proxy, seaweedfs: ModuleType, tiny_base: Path, tmp_path: Path, bucket: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One request in ten fails: each attempt publishes or ends with a documented code, and no version is partial.

    Attempts go on until one publishes; the last one, without faults, must.
    """
    proxy.fault = Draw(kind, 0.1, 11, lambda: proxy.num_injected)
    for name, value in seaweedfs.environment(proxy.endpoint).items():
        monkeypatch.setenv(name, value)
    uri = f"s3://{bucket}/{tmp_path.name}"
    job, user = write_job(tmp_path, tiny_base, output={"uri": uri}), User(capsys)
    for number in range(TRIES):
        if number == TRIES - 1:
            proxy.fault = lambda seen: None
        told = user.train(job)
        assert told.code in ({0, 77} if kind.name == "403" else {0, 75}), told.err
        assert_whole(uri, proxy, published=told.code == 0)
        if told.code == 0:
            break
    assert told.code == 0 and proxy.num_injected > 0


def assert_whole(uri: str, proxy: Proxy, *, published: bool) -> None:
    """Every version with a manifest has each file that it lists, with the digest that it tells."""
    planted, proxy.fault = proxy.fault, lambda seen: None
    store = open_store(f"{uri}/tiny", settings.load())
    manifests = [info.key for info in store.list("versions/") if info.key.endswith("/manifest.json")]
    assert len(manifests) >= published
    for key in manifests:
        manifest = json.loads(store.read(key)[0])
        assert manifest["files"]
        for file in manifest["files"]:
            data = store.read(f"{key.rpartition('/')[0]}/{file['name']}")[0]
            assert digest_bytes(data).sha256 == file["sha256"]
    proxy.fault = planted
