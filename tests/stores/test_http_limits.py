"""Servers that would harm: where they may lead, how much and how long they may answer."""

import itertools
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from loraruner import settings
from loraruner.egress import Egress
from loraruner.errors import DataInvalid, EnvironmentUnfit, LoraRunerError, NoPermission, SpecInvalid, TemporaryFailure
from loraruner.stores import http_read, open_store
from loraruner.stores.http_read import HttpReader
from tests.support import connect_proxy, web_server
from tests.support.raw_server import answering
from tests.support.web_server import Page, Web

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.fixture
def web(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("LORARUNER_ALLOWED_HOSTS", "localhost")
    with web_server.serve(certificate) as web:
        web.pages["/file"] = Page(b"content")
        yield web


def read(uri: str) -> bytes:
    return open_store(uri, settings.load()).read("")[0]


def read_raw(pieces: Callable[[], Iterable[bytes]], limit_bytes: int = 1000) -> bytes:
    with answering(pieces) as url:
        return HttpReader(remedy="", rules=Egress(("127.0.0.1",))).read(url, "it", limit_bytes=limit_bytes)[0]


def test_this_network_is_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """77 and one sentence: what, which host, which address, the variable; nothing is sent."""
    monkeypatch.delenv("LORARUNER_ALLOWED_HOSTS")
    with pytest.raises(NoPermission, match=r"/file: the host localhost has the address .*LORARUNER_ALLOWED_HOSTS$"):
        read(f"{web.url}/file?token=secret")
    assert web.seen == []


def test_a_hub_may_lie_in_this_network_but_not_lead_on(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_ENDPOINT's host is the operator's word; where its answers lead is not."""
    monkeypatch.delenv("LORARUNER_ALLOWED_HOSTS")
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    listing = b'[{"type": "file", "path": "w", "oid": "a", "size": 2}]'
    web.pages["/api/models/org/name/tree/main?recursive=true"] = Page(listing)
    web.pages["/org/name/resolve/main/w"] = Page(location="https://127.0.0.1:9/w")
    store = open_store("hf://org/name", settings.load())
    assert [info.key for info in store.list()] == ["w"]
    with pytest.raises(NoPermission, match=r"hf://org/name/w: the host 127\.0\.0\.1 is not a public one"):
        store.read("w")


@pytest.mark.parametrize(
    "endpoint", ["mirror", "ftp://mirror", "https://", "https://h:port", "https://[x", "https://ann:secret@h"]
)
def test_a_hub_that_is_no_address(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """78 names the variable, and no password that it holds."""
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(EnvironmentUnfit, match=r"HF_ENDPOINT: .* set it to https://HOST") as refused:
        open_store("hf://org/name", settings.load())
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "location",
    [
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://2130706433/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[fd00:ec2::254]/x",
        "https://user:secret@127.0.0.1/x",
        "http://example.com/x",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "//127.0.0.1/x",
        "https://[broken/x",
        "https://b%C3%BCro.example/x",
        "https://b\u00fcro.example/x",
    ],
)
def test_redirects_that_are_not_followed(web: Web, location: str) -> None:
    """Into this network in any spelling, away from https, with a login, to what is no address: 77, nothing is asked."""
    web.pages["/file"].location = location
    with pytest.raises(NoPermission) as refused:
        read(f"{web.url}/file")
    assert [path for path, _, _ in web.seen] == ["/file"]
    assert "secret" not in str(refused.value)


def test_a_redirect_without_end(web: Web) -> None:
    """Five are followed, then it is 77."""
    web.pages["/file"].location = f"{web.url}/file"
    with pytest.raises(NoPermission, match="redirected more than 5 times"):
        read(f"{web.url}/file")
    assert len(web.seen) == 6


def test_bodies_of_redirects_are_not_read() -> None:
    """One without an end does no harm."""

    def pieces() -> Iterable[bytes]:
        return itertools.chain([b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"], itertools.repeat(b"x" * 65536))

    with pytest.raises(NoPermission, match="redirected more than"):
        read_raw(pieces)


def test_an_answer_without_end() -> None:
    """Small reads stop at their limit."""
    with pytest.raises(DataInvalid, match="more than the 1,000 bytes"):
        read_raw(lambda: itertools.chain([OK + b"\r\n"], itertools.repeat(b"x" * 65536)))


def test_a_download_without_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file whose size nobody tells has a limit too; nothing is left of it."""
    monkeypatch.setattr(http_read, "UNTOLD_BYTES", 1 << 20)
    with answering(lambda: itertools.chain([OK + b"\r\n"], itertools.repeat(b"x" * 65536))) as url:
        reader = HttpReader(remedy="", rules=Egress(("127.0.0.1",)))
        with pytest.raises(DataInvalid, match="no size is told"):
            reader.download(url, "it", tmp_path / "file", sha256=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", OK + b"Content-Length: 100000\r\n\r\n"])
def test_an_answer_drop_by_drop(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    """A byte now and then, in the status, the headers or the body, can't hold up a job: the whole time is limited."""
    monkeypatch.setattr(http_read, "READ_LIMIT_S", 0.2)

    def drops() -> Iterable[bytes]:
        yield begun
        while True:
            time.sleep(0.02)
            yield b"x"

    with pytest.raises(TemporaryFailure, match=r"no whole answer within 0\.2 s|timed out"):
        read_raw(drops, 1_000_000)


@pytest.mark.parametrize(
    "headers",
    [
        b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(5000)),
        b"X: " + b"y" * 10_000_000 + b"\r\n",
    ],
)
def test_headers_that_are_none(headers: bytes) -> None:
    """Too many or too long ones are a failed transfer."""
    with pytest.raises(TemporaryFailure, match="the transfer failed"):
        read_raw(lambda: [b"HTTP/1.1 200 OK\r\n", headers, b"\r\n"])


@pytest.mark.parametrize("length", [b"-1", b"x", b"1e3", b"9" * 5000, "²".encode("latin-1")])
def test_lengths_that_are_none(length: bytes, tmp_path: Path) -> None:
    """A size that is no number is the server's fault, 65, for a read and for a download."""
    answer = OK + b"Content-Length: " + length + b"\r\n\r\nxx"
    with pytest.raises(DataInvalid, match="tells the size"):
        read_raw(lambda: [answer])
    with answering(lambda: [answer]) as url, pytest.raises(DataInvalid, match="tells the size"):
        HttpReader(remedy="", rules=Egress(("127.0.0.1",))).find(url, "it")


@pytest.mark.parametrize(
    "uri",
    [
        *("https://[x/file", "https://h:port/file", "https://h:99999/file", "https:///file", "https://h/a b"),
        *("https://h/a\tb", "https://h\n.example/x", "https://h/\udcff", "https://h/a\u200bb"),
        *("https://b\u00fcro.example/x", "https://b%C3%BCro.example/x"),
    ],
)
def test_addresses_that_are_none(uri: str) -> None:
    """64 before anything is asked."""
    with pytest.raises(SpecInvalid):
        open_store(uri, settings.load())


def test_a_proxy_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With HTTPS_PROXY a name that is unknown here is left to the proxy; the certificate is that of the name."""
    certificate = web_server.make_certificate(tmp_path, "files.invalid")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    resolve = socket.getaddrinfo

    def unknown(host: str, *arguments: object, **options: object) -> object:
        if host == "files.invalid":
            raise socket.gaierror(-2, "Name or service not known")
        return resolve(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with web_server.serve(certificate) as web, connect_proxy.leading_to(int(web.url.rpartition(":")[2])) as proxy:
        web.pages["/file"] = Page(b"content")
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert read("https://files.invalid/file") == b"content"
        assert proxy.seen == ["files.invalid:443"]


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "0x7f.1", "[::1]", "169.254.169.254"])
def test_a_proxy_is_no_way_around(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """What lies in this network is refused before the proxy is asked."""
    with connect_proxy.leading_to(9) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NoPermission, match="LORARUNER_ALLOWED_HOSTS"):
            read(f"https://{host}/file")
        assert proxy.seen == []


def test_refusals_are_the_end(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is not tried again."""
    monkeypatch.delenv("LORARUNER_ALLOWED_HOSTS")
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def counted(host: str, *arguments: object, **options: object) -> object:
        asked.append(host)
        return resolve(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    with pytest.raises(LoraRunerError):
        read(f"{web.url}/file")
    assert asked == ["localhost"]
