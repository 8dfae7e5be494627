"""Reading a file from a web server over real TLS on loopback."""

import logging
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from loraruner import settings
from loraruner.errors import (
    DataInvalid,
    EnvironmentUnfit,
    InputMissing,
    IntegrityError,
    NoPermission,
    SpecInvalid,
    TemporaryFailure,
)
from loraruner.files import digest_bytes
from loraruner.stores import http_read, open_store
from loraruner.stores.base import Store
from tests.support import web_server
from tests.support.web_server import Page, Web

DATA = Random(0).randbytes(1_000_000)
PART = 1 << 18


@pytest.fixture
def web(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("LORARUNER_ALLOWED_HOSTS", "localhost")
    monkeypatch.setattr(http_read, "PART_BYTES", PART)
    with web_server.serve(certificate) as web:
        web.pages["/set.zip?sig=secret"] = Page(DATA)
        yield web


@pytest.fixture
def store(web: Web) -> Store:
    return open_store(f"{web.url}/set.zip?sig=secret", settings.load())


def test_a_file_is_one_object(store: Store, web: Web, tmp_path: Path) -> None:
    """The address lists one object with the key "", its size and ETag; it is read and fetched by ranges."""
    assert [(info.key, info.size_bytes, info.etag) for info in store.list()] == [("", len(DATA), '"v1"')]
    assert store.read("") == (DATA, '"v1"')
    assert store.download("", tmp_path / "set.zip") == digest_bytes(DATA)
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert len(web.ranges()) == 4


@pytest.mark.usefixtures("one_worker")
def test_resume(store: Store, web: Web, tmp_path: Path) -> None:
    """After a break the next call asks for the missing ranges only."""
    page = web.pages["/set.zip?sig=secret"]
    page.fault = lambda wanted: "403" if wanted.startswith(f"bytes={3 * PART}-") else None
    with pytest.raises(NoPermission):
        store.download("", tmp_path / "set.zip")
    page.fault = lambda wanted: None
    web.seen.clear()
    assert store.download("", tmp_path / "set.zip") == digest_bytes(DATA)
    assert web.ranges() == [f"bytes={3 * PART}-{len(DATA) - 1}"]


@pytest.mark.parametrize("fault", ["cut", "503", "429"])
def test_passing_faults_are_cured(store: Store, web: Web, tmp_path: Path, fault: str) -> None:
    """A truncated body and a busy server are tried again."""
    faults = [fault]
    web.pages["/set.zip?sig=secret"].fault = lambda wanted: faults.pop() if faults and "-0" not in wanted else None
    assert store.download("", tmp_path / "set.zip") == digest_bytes(DATA)
    assert faults == []


def test_a_wrong_digest(store: Store, web: Web, tmp_path: Path) -> None:
    """Bytes that stay wrong are 74; one bit flipped once is cured."""
    flips = ["flip"]
    page = web.pages["/set.zip?sig=secret"]
    page.fault = lambda wanted: flips.pop() if flips and wanted.startswith(f"bytes={PART}-") else None
    store.download("", tmp_path / "set.zip", sha256=digest_bytes(DATA).sha256)
    with pytest.raises(IntegrityError, match="after 3 downloads"):
        store.download("", tmp_path / "other", sha256="0" * 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.zip"]


@pytest.mark.parametrize(
    "page", [Page(DATA, ranges=False), Page(DATA, ranges=False, length=False), Page(DATA, etag=""), Page(b"")]
)
def test_simple_servers(store: Store, web: Web, tmp_path: Path, page: Page) -> None:
    """A server without ranges, without a length or without ETag, and an empty file, are read in one go."""
    web.pages["/set.zip?sig=secret"] = page
    assert store.download("", tmp_path / "set.zip") == digest_bytes(page.data)
    assert web.ranges() == []


@pytest.mark.usefixtures("one_worker")
def test_a_file_that_changes_is_fetched_anew(store: Store, web: Web, tmp_path: Path) -> None:
    """Parts of two versions are never mixed."""
    new = Random(1).randbytes(len(DATA))

    def change(wanted: str) -> None:
        if wanted.startswith(f"bytes={2 * PART}-"):
            web.pages["/set.zip?sig=secret"] = Page(new, etag='"v2"')

    web.pages["/set.zip?sig=secret"].fault = change
    assert store.download("", tmp_path / "set.zip") == digest_bytes(new)


def test_letters_outside_of_ascii(web: Web) -> None:
    """Letters in a path are asked for as a browser would; what is escaped already stays as it is."""
    web.pages["/B%C3%BCro/a%20b%2Fc"] = Page(b"content")
    assert open_store(f"{web.url}/B\u00fcro/a%20b%2Fc", settings.load()).read("")[0] == b"content"


@pytest.mark.parametrize(
    ("fault", "error"),
    [("401", NoPermission), ("403", NoPermission), ("404", InputMissing), ("500", TemporaryFailure)],
)
def test_statuses(store: Store, web: Web, fault: str, error: type[Exception]) -> None:
    """401 and 403 are 77, 404 is 66, 5xx is 75; only 404 means that there is nothing."""
    web.pages["/set.zip?sig=secret"].fault = lambda wanted: fault
    with pytest.raises(error, match=f"set.zip: .*{fault}"):
        store.read("")
    if fault == "404":
        assert list(store.list()) == [] and store.head("") is None
    else:
        with pytest.raises(error):
            list(store.list())


def test_redirects(store: Store, web: Web) -> None:
    """A redirect to https is followed, one to plain http is refused."""
    page = web.pages["/set.zip?sig=secret"]
    web.pages["/moved"] = Page(b"there")
    page.location = f"{web.url}/moved"
    assert store.read("")[0] == b"there"
    page.location = "http://127.0.0.1:9/moved?token=secret"
    with pytest.raises(NoPermission, match=r"http://127\.0\.0\.1:9/moved: a redirect away from https"):
        store.read("")


def test_secrets_stay_secret(store: Store, web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The query of an address stands in no log line and no error; a login in it is refused."""
    with caplog.at_level(logging.DEBUG):
        store.download("", tmp_path / "set.zip")
        web.pages["/set.zip?sig=secret"].fault = lambda wanted: "503"
        with pytest.raises(TemporaryFailure) as failure:
            store.read("")
        with pytest.raises(DataInvalid) as limit:
            web.pages["/set.zip?sig=secret"].fault = lambda wanted: None
            store.read("", limit_bytes=10)
        with pytest.raises(SpecInvalid) as login:
            open_store("https://user:secret@host/file", settings.load())
    for text in (caplog.text, str(failure.value), str(limit.value), str(login.value)):
        assert text and "secret" not in text


def test_an_unknown_certificate(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is 78 and says which variable helps."""
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    with pytest.raises(EnvironmentUnfit, match="set SSL_CERT_FILE"):
        open_store(f"{web.url}/set.zip", settings.load()).read("")


def test_nothing_can_be_written(store: Store) -> None:
    """Writing, uploading, deleting and probing are refused with 77."""
    calls = (
        lambda: store.write("", b""),
        lambda: store.upload(Path(__file__), ""),
        lambda: store.delete(""),
        store.probe,
    )
    for call in calls:
        with pytest.raises(NoPermission, match="can only be read"):
            call()


def test_plain_http_is_no_store() -> None:
    """http:// is refused by name."""
    with pytest.raises(SpecInvalid, match="unknown store scheme 'http'"):
        open_store("http://host/file", settings.load())


def test_no_address_is_not_this_folder() -> None:
    """An unset variable in a script must not make the working directory a store."""
    with pytest.raises(SpecInvalid, match="is no address; name a path"):
        open_store("", settings.load())
