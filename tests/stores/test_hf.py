"""Reading hub repositories from a server that answers like the hub."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from loraruner import settings
from loraruner.errors import DataInvalid, InputMissing, IntegrityError, NoPermission, SpecInvalid
from loraruner.files import digest_bytes
from loraruner.stores import open_store
from loraruner.stores.base import Store
from tests.support import web_server
from tests.support.web_server import Page, Web

WEIGHTS = Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
TREE = "/api/models/org/name/tree/v1?recursive=true"
RESOLVED = "/org/name/resolve/v1"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with web_server.serve() as web:
        small = {"type": "file", "path": "config.json", "oid": "a" * 40, "size": 2}
        large = {"type": "file", "path": "unet/w.safetensors", "oid": "b" * 40, "size": len(WEIGHTS)}
        lfs = {"oid": SHA256, "size": len(WEIGHTS), "pointerSize": 134}
        first = [small, {"type": "directory", "path": "unet", "oid": "c" * 40, "size": 0}]
        # The link of the second page names another host, as behind a mirror.
        following = '<https://hub.example/api/models/org/name/tree/v1?cursor=2>; rel="next"'
        web.pages[TREE] = Page(json.dumps(first).encode(), link=following)
        second = json.dumps([{**large, "lfs": lfs}]).encode()
        web.pages["/api/models/org/name/tree/v1?cursor=2"] = Page(second)
        web.pages[f"{RESOLVED}/config.json"] = Page(b"{}")
        web.pages[f"{RESOLVED}/unet/w.safetensors"] = Page(WEIGHTS)
        monkeypatch.setenv("HF_ENDPOINT", web.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secret_token")
        yield web


def opened(uri: str) -> Store:
    return open_store(uri, settings.load())


def test_listing(web: Web) -> None:
    """All pages are listed, from the endpoint that was set; large files have their SHA-256 as ETag."""
    found = [(info.key, info.size_bytes, info.etag) for info in opened("hf://org/name@v1").list()]
    assert found == [("config.json", 2, "a" * 40), ("unet/w.safetensors", len(WEIGHTS), SHA256)]
    assert [info.key for info in opened("hf://org/name@v1/unet").list()] == ["w.safetensors"]
    assert [info.key for info in opened("hf://org/name@v1/config.json").list()] == [""]
    assert list(opened("hf://org/name@v1/une").list()) == []


def test_reading(web: Web, tmp_path: Path) -> None:
    """Files are read and fetched, with the token in every request."""
    store = opened("hf://org/name@v1")
    assert store.read("config.json") == (b"{}", "a" * 40)
    assert store.download("unet/w.safetensors", tmp_path / "w") == digest_bytes(WEIGHTS)
    assert opened("hf://org/name@v1/config.json").read("")[0] == b"{}"
    assert {token for _, _, token in web.seen} == {"Bearer hf_secret_token"}


def test_the_listed_digest_is_checked(web: Web, tmp_path: Path) -> None:
    """A large file whose bytes are not what the hub lists is 74, though the job names no digest."""
    web.pages[f"{RESOLVED}/unet/w.safetensors"] = Page(WEIGHTS[:-1] + b"x")
    with pytest.raises(IntegrityError, match=SHA256):
        opened("hf://org/name@v1").download("unet/w.safetensors", tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


def test_the_token_stays_with_the_hub(web: Web, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect within the server keeps the token; another https server gets none; http is refused."""
    page = web.pages[f"{RESOLVED}/config.json"]
    web.pages["/renamed/config.json"] = Page(b"{}")
    page.location = "/renamed/config.json"
    assert opened("hf://org/name@v1").read("config.json")[0] == b"{}"
    assert web.seen[-1] == ("/renamed/config.json", "", "Bearer hf_secret_token")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("LORARUNER_ALLOWED_HOSTS", "localhost")
    with web_server.serve(certificate) as other:
        other.pages["/signed"] = Page(b"{}")
        page.location = f"{other.url}/signed"
        assert opened("hf://org/name@v1").read("config.json")[0] == b"{}"
        assert other.seen == [("/signed", "", "")]
    page.location = "http://127.0.0.2:9/elsewhere"
    with pytest.raises(NoPermission, match="redirect away from https"):
        opened("hf://org/name@v1").read("config.json")


def test_datasets_and_revisions(web: Web) -> None:
    """Data sets have their own paths; the revision defaults to main and may hold an escaped slash."""
    entry = [{"type": "file", "path": "rows.jsonl", "oid": "d" * 40, "size": 3}]
    web.pages["/api/datasets/org/rows/tree/main?recursive=true"] = Page(json.dumps(entry).encode())
    web.pages["/datasets/org/rows/resolve/main/rows.jsonl"] = Page(b"{}\n")
    assert opened("hf://datasets/org/rows/rows.jsonl").read("")[0] == b"{}\n"
    web.pages["/api/models/org/name/tree/refs%2Fpr%2F1?recursive=true"] = Page(json.dumps(entry).encode())
    assert [info.key for info in opened("hf://org/name@refs%2Fpr%2F1").list()] == ["rows.jsonl"]


def test_what_is_not_there(web: Web) -> None:
    """A missing repository or file is 66, a private one 77 and names the token's variable."""
    with pytest.raises(InputMissing, match="hf://org/absent: is not there"):
        list(opened("hf://org/absent").list())
    store = opened("hf://org/name@v1")
    assert store.head("absent") is None
    with pytest.raises(InputMissing, match="no such file at this revision"):
        store.read("absent")
    web.pages[TREE].fault = lambda wanted: "401"
    with pytest.raises(NoPermission, match="HF_TOKEN"):
        list(opened("hf://org/name@v1").list())


@pytest.mark.parametrize(
    "answer", [b"<html>", b'{"error": 1}', b"[" * 100_000, b'[{"type": "file", "path": "../x", "size": 1}]']
)
def test_hostile_listings(web: Web, answer: bytes) -> None:
    """A listing that is no listing, or names paths outside, is 65."""
    web.pages[TREE] = Page(answer)
    with pytest.raises(DataInvalid):
        list(opened("hf://org/name@v1").list())


@pytest.mark.parametrize("uri", ["hf://name", "hf://org/name@", "hf://org/na me", "hf://"])
def test_bad_addresses(uri: str) -> None:
    """An address without organisation, name or revision is a fault of the job."""
    with pytest.raises(SpecInvalid, match="is no hub address"):
        opened(uri)


@pytest.mark.parametrize(
    "uri",
    [
        *("hf://org/name@..", "hf://org/name@%2e%2e/x", "hf://org/name@..%2F..%2Fother%2Frepository/x"),
        *(
            "hf://../..",
            "hf://org/..@main",
            "hf://datasets/../name",
            "hf://org/name@%2Fmain",
            "hf://org/name@a%5C..%5Cb",
        ),
        *("hf://org/name@a%0d%0ab", "hf://org/name@\udcff", "hf://org/name@a%2F%2Fb"),
    ],
)
def test_addresses_that_lead_elsewhere(uri: str) -> None:
    """Neither repository nor revision can climb to another repository, escaped or not, or hold what nobody sees: 64."""
    with pytest.raises(SpecInvalid, match="can't be one"):
        opened(uri)


def test_nothing_can_be_written() -> None:
    """Writing, uploading, deleting and probing are refused with 77."""
    store = opened("hf://org/name")
    calls = (
        lambda: store.write("k", b""),
        lambda: store.upload(Path(__file__), "k"),
        lambda: store.delete("k"),
        store.probe,
    )
    for call in calls:
        with pytest.raises(NoPermission, match="can only be read"):
            call()
