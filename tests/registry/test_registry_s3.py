"""The registry on a real S3 server: its conditional writes, listings and ETags."""

import json
import threading
from pathlib import Path

import pytest

from loraruner import settings
from loraruner.registry import index, judging, list_versions
from loraruner.registry.events import list_lives
from loraruner.stores import open_store
from tests.support import registered
from tests.support.s3_server import OpenS3

NAMES = tuple(f"style-{number}" for number in range(6))


@pytest.mark.slow
def test_many_at_once(open_s3: OpenS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that end and people that review at the same time: every version and every review is there, once."""
    monkeypatch.setenv("LORARUNER_CACHE", str(tmp_path))
    store, operator = open_s3("loras"), settings.load()
    for name in NAMES:
        store.write(f"{name}/versions/1/manifest.json", json.dumps(registered.manifest(name)).encode())
        store.write(f"{name}/latest.json", b'{"version": "1"}')
    index.reindex(store.uri, operator)

    def review(name: str, by: str) -> None:
        judging.review(f"{store.uri}/{name}@1", operator, verdict="approved", score=4, by=by)

    people = [(name, by) for name in NAMES[:3] for by in ("ada", "bob", "eve")]
    threads = [threading.Thread(target=review, args=pair) for pair in people]
    threads += [threading.Thread(target=index.note_name, args=(store.uri, name, operator)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in NAMES[:3]:
        (life,) = list_lives(open_store(f"{store.uri}/{name}", operator)).values()
        assert sorted(each.by for each in life.reviews) == ["ada", "bob", "eve"]
    rows = list_versions(store.uri, operator)
    assert [(row["name"], row["reviews"]) for row in rows] == [(name, 3 * (name in NAMES[:3])) for name in NAMES]
    judging.promote(f"{store.uri}/{NAMES[0]}@1", operator, "released", by="grace")
    assert list_versions(store.uri, operator)[0]["status"] == "released"
