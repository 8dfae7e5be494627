"""Which hosts outside services may lie on, and what nobody gets to see."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loraruner.clients.http import Refused, Unavailable
from loraruner.errors import EnvironmentUnfit, NoPermission, SpecInvalid
from tests.support import json_service, web_server
from tests.support.json_service import TOKEN, Reply, Service, Waits


@pytest.fixture
def service() -> Iterator[Service]:
    with json_service.serve() as running:
        yield running


def test_redirects_are_not_followed(service: Service) -> None:
    """The token goes to nobody that the answer names."""
    service.says(Reply(307, headers={"Location": service.url + "/other"}))
    with pytest.raises(Refused):
        Waits().client(service.url).request("GET", "/x")
    assert [asked.path for asked in service.asked] == ["/x"]


def test_private_hosts_are_refused(service: Service) -> None:
    """A host that the operator did not name must be public and speak https; a listed one may be neither."""
    with pytest.raises(NoPermission, match="over http"):
        Waits().client(service.url, own=False)
    with pytest.raises(NoPermission, match="not a public one"):
        Waits().client(service.url.replace("http:", "https:"), own=False).request("GET", "/x")
    assert not service.asked
    assert Waits().client(service.url, own=False, hosts="127.0.0.1").request("GET", "/x").status == 200


def test_listed_hosts_alone() -> None:
    """Where the operator lists hosts, a service on another one is refused before anything is asked."""
    with pytest.raises(NoPermission, match="none of the hosts in LORARUNER_ALLOWED_HOSTS"):
        Waits().client("https://api.example.com", own=False, hosts="hooks.example.com")
    Waits().client("https://api.example.com", own=True, hosts="hooks.example.com")


def test_a_rebinding_name(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    """The connection goes to the judged address: a name that answers otherwise the second time gains nothing."""
    port = int(service.url.rpartition(":")[2])
    answers = iter(["127.0.0.1", "10.0.0.1"])
    resolve = socket.getaddrinfo

    def rebinding(host: str, *rest: Any, **more: Any) -> Any:
        return resolve(next(answers) if host == "api.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    client = Waits().client(f"http://api.test:{port}", own=False, hosts="api.test")
    assert client.request("GET", "/x").status == 200


@pytest.mark.parametrize(
    "base",
    [
        "ftp://h/x",
        "https:///x",
        "https://user:password@h/",
        "https://h:0/",
        "https://h\u200b/",
        "https://[x/",
        "https://a b/",
    ],
)
def test_no_address(base: str) -> None:
    """What is no address is refused without being shown."""
    with pytest.raises(SpecInvalid) as raised:
        Waits().client(base)
    assert base not in str(raised.value)


def test_secrets_are_struck(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """A service that repeats token and address gets them struck from the error and from every log."""
    secret = "/services/T000/B000/XXXXSECRETXXXX"
    service.answer = lambda asked: Reply(503, {"err": f"bad {asked.headers['Authorization']} for {asked.path}"})
    caplog.set_level("DEBUG")
    with pytest.raises(Unavailable) as raised:
        Waits().client(service.url + secret).request("GET")
    told = str(raised.value) + caplog.text
    assert "[secret]" in told
    assert TOKEN not in told
    assert secret not in told


def test_control_characters_are_struck(service: Service) -> None:
    """A terminal obeys nothing of what a service says."""
    service.says(Reply(400, {"err": "a\x1b[2Jb"}))
    with pytest.raises(Refused) as raised:
        Waits().client(service.url).request("GET", "/x")
    assert "\x1b" not in str(raised.value)


def test_proxy_of_the_operator(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    """With HTTP_PROXY set the proxy is asked, and only for hosts that may be asked."""
    monkeypatch.setenv("http_proxy", service.url)
    monkeypatch.setenv("no_proxy", "")
    assert Waits().client("http://8.8.8.8/api", own=True).request("GET", "/x").status == 200
    assert service.asked[0].path == "http://8.8.8.8/api/x"
    monkeypatch.setenv("https_proxy", service.url)
    with pytest.raises(NoPermission):
        Waits().client("https://10.0.0.1/api", own=False).request("GET", "/x")


def test_an_unknown_certificate(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is 78 and says what to set."""
    refused = pytest.raises(EnvironmentUnfit, match="SSL_CERT_FILE")
    with web_server.serve(web_server.make_certificate(tmp_path)) as web, refused:
        Waits().client(web.url).request("GET", "/x")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where httpx2 is missing, opening says what to install."""
    monkeypatch.setattr("loraruner.clients.http.find_spec", lambda name: None)
    with pytest.raises(EnvironmentUnfit, match=r"pip install 'loraruner\[notify\]'"):
        Waits().client("https://api.example.com")
