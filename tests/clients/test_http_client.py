"""Asking outside services: who may be asked, what is asked again, and what every bad answer means."""

import io
import itertools
import socket
import threading
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from loraruner.clients.http import Refused, Unavailable
from loraruner.errors import DataInvalid, InputMissing, LoraRunerError, NoPermission
from tests.support import json_service, raw_server
from tests.support.json_service import NOW, TOKEN, Reply, Service, Waits


@pytest.fixture
def service() -> Iterator[Service]:
    with json_service.serve() as running:
        yield running


def test_asks_and_answers(service: Service) -> None:
    """Headers, parameters and JSON arrive as given; the answer's JSON and headers come back."""
    service.says(Reply(200, {"ok": "Grüße"}, {"X-Kind": "a"}))
    answer = (
        Waits().client(service.url + "/api/").request("POST", "/v2/x", params={"s[]": ["a b", "c"]}, json={"t": "ü"})
    )
    assert answer.json() == {"ok": "Grüße"}
    assert answer.headers["x-kind"] == "a"
    [asked] = service.asked
    assert (asked.method, asked.path) == ("POST", "/api/v2/x?s%5B%5D=a+b&s%5B%5D=c")
    assert asked.headers["Authorization"] == TOKEN
    assert asked.json() == {"t": "ü"}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(401, {"err": "Token invalid", "ECODE": "OAUTH_025"}), NoPermission),
        (Reply(403), NoPermission),
        (Reply(404, {"err": "Task not found, deleted"}), InputMissing),
        (Reply(410), InputMissing),
        (Reply(400, {"message": "Status not found", "errorCode": 1018}), Refused),
        (Reply(302, headers={"Location": "http://127.0.0.1:1/"}), Refused),
        (Reply(500), Unavailable),
        (Reply(503), Unavailable),
        (Reply(429), Unavailable),
    ],
)
def test_statuses_become_errors(service: Service, reply: Reply, error: type[LoraRunerError]) -> None:
    """Every bad status has its error, and the service's own words are in it."""
    service.says(reply)
    with pytest.raises(error) as raised:
        Waits().client(service.url).request("GET", "/x")
    for word in reply.body.values():
        assert str(word) in str(raised.value)


def test_retry_after_seconds(service: Service) -> None:
    """After 429 the client waits as long as it is told, and a POST goes out again: nothing was done."""
    service.says(Reply(429, headers={"Retry-After": "7"}), Reply(200))
    waits = Waits()
    assert waits.client(service.url).request("POST", "/x", json={}).status == 200
    assert len(service.asked) == 2
    assert 7 <= waits[0] <= 8


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": formatdate(NOW + 20, usegmt=True)}, {"X-RateLimit-Reset": str(int(NOW) + 20)}],
)
def test_wait_until_a_time(service: Service, headers: dict[str, str]) -> None:
    """A date in Retry-After and epoch seconds in X-RateLimit-Reset are waited for."""
    service.says(Reply(429, headers=headers), Reply(200))
    waits = Waits()
    waits.client(service.url).request("GET", "/x")
    assert 20 <= waits[0] <= 21


@pytest.mark.parametrize("value", ["soon", "9" * 400, "-5", "²", "99999999999999999999"])
def test_odd_waits(service: Service, value: str) -> None:
    """A wait that is none, or longer than the limit, ends in 75 and never in a crash or a long sleep."""
    service.says(Reply(429, headers={"X-RateLimit-Reset": value}))
    waits = Waits()
    with pytest.raises(Unavailable):
        waits.client(service.url).request("GET", "/x")
    assert sum(waits) < 300


def test_patience_ends(service: Service) -> None:
    """A server that stays down is asked ``tries`` times, with growing pauses."""
    service.says(Reply(502))
    waits = Waits()
    with pytest.raises(Unavailable):
        waits.client(service.url, tries=3).request("GET", "/x")
    assert len(service.asked) == 3
    assert len(waits) == 2


@pytest.mark.parametrize("fault", [Reply(500), Reply(0)])
@pytest.mark.parametrize(
    ("question", "again"),
    [
        (("GET", {}), True),
        (("PUT", {}), True),
        (("POST", {}), False),
        (("POST", {"retry_post": True}), True),
        (("POST", {"headers": {"Idempotency-Key": "k"}}), True),
    ],
)
def test_what_may_be_repeated(
    service: Service, fault: Reply, question: tuple[str, dict[str, Any]], again: bool
) -> None:
    """Where nobody knows whether it was done, only what may be done twice is asked again."""
    service.says(fault, Reply(200))
    method, more = question
    client = Waits().client(service.url)
    if again:
        assert client.request(method, "/x", **more).status == 200
    else:
        with pytest.raises(Unavailable) as raised:
            client.request(method, "/x", **more)
        assert raised.value.arrived
    assert len(service.asked) == (2 if again else 1)


def test_nobody_there() -> None:
    """A refused connection is tried again also for a POST, as nothing arrived, and ends in 75."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    waits = Waits()
    with pytest.raises(Unavailable) as raised:
        waits.client(f"http://127.0.0.1:{port}").request("POST", "/x", json={})
    assert not raised.value.arrived
    assert len(waits) == 3


@pytest.mark.parametrize(
    "beginning", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"]
)
def test_a_dripping_server(beginning: bytes) -> None:
    """A server that sends a byte now and then, in the headers or in the body, is left after the limit in all."""
    from time import sleep

    def drip() -> Iterator[bytes]:
        yield beginning
        for _ in range(2000):
            sleep(0.02)
            yield b"a"

    with raw_server.answering(drip) as url, pytest.raises(Unavailable, match=r"no answer from 127\.0\.0\.1"):
        Waits().client(url, limit_s=0.3, tries=1).request("GET", "/x")


def test_a_silent_server() -> None:
    """A server that says nothing is left when the limit is over, not after the longest step."""
    left = threading.Event()

    def silence() -> Iterator[bytes]:
        left.wait(20)
        yield b""

    with raw_server.answering(silence) as url, pytest.raises(Unavailable, match="timed out"):
        try:
            Waits().client(url, limit_s=0.2, tries=1).request("GET", "/x")
        finally:
            left.set()


@pytest.mark.parametrize("told", [True, False])
def test_an_answer_too_large(service: Service, told: bool) -> None:
    """More than 2 MiB are not read, whether the server tells the length or not."""
    piece = b"a" * (1 << 20)
    headers = b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 99999999999999\r\n" if told else b"") + b"\r\n"
    endless = lambda: itertools.chain([headers], itertools.repeat(piece))  # noqa: E731
    with raw_server.answering(endless) as url, pytest.raises(DataInvalid, match="more than 2,097,152 bytes"):
        Waits().client(url).request("GET", "/x")


def test_an_endless_error_page() -> None:
    """Of a bad answer only the beginning is read."""
    answer = [b"HTTP/1.1 400 Bad\r\n\r\n", b"no " * 10000]
    endless = lambda: itertools.chain(answer, itertools.repeat(b"no "))  # noqa: E731
    with raw_server.answering(endless) as url, pytest.raises(Refused) as raised:
        Waits().client(url).request("GET", "/x")
    assert len(raised.value.words) == 300


@pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 100_000, b"\xff"])
def test_no_json(service: Service, body: bytes) -> None:
    """An answer that is no JSON is 65, however it is broken."""
    service.says(Reply(200, body))
    with pytest.raises(DataInvalid, match="no JSON"):
        Waits().client(service.url).request("GET", "/x").json()


def test_no_http() -> None:
    """A server that speaks another protocol is told as unavailable."""
    with raw_server.answering(lambda: [b"SSH-2.0-x\r\n"]) as url, pytest.raises(Unavailable):
        Waits().client(url, tries=1).request("GET", "/x")


class Pieces(io.FileIO):
    """A file that notes how much is read of it at once."""

    largest = 0

    def read(self, size: int | None = -1) -> bytes:
        self.largest = max(self.largest, 1 << 62 if size is None or size < 0 else size)
        return super().read(size)


def test_files_are_streamed(service: Service, tmp_path: Path) -> None:
    """A file goes out as multipart, in small pieces, and whole again on the second try."""
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(range(256)) * 1000)
    service.says(Reply(429, headers={"Retry-After": "0"}), Reply(200))
    with Pieces(file) as stream:
        Waits().client(service.url).request("POST", "/x", files={"attachment": ('a".bin', stream)})
    first, second = service.asked
    assert stream.largest <= 1 << 16
    assert len(first.body) == len(second.body)
    assert file.read_bytes() in second.body
    assert b'name="attachment"; filename="a%22.bin"' in second.body
