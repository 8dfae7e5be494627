"""The small publication finds what must never happen; a trial that could not fail would prove nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loraruner import settings
from loraruner.errors import TemporaryFailure
from loraruner.faults.exchange import Exchange, content
from loraruner.files import Digest, digest_file
from loraruner.stores import open_store
from loraruner.stores.base import PreconditionFailed, Store
from loraruner.stores.local import LocalStore

CONTENT = content(0)


def opened(folder: Path) -> LocalStore:
    store = open_store(str(folder), settings.load())
    assert isinstance(store, LocalStore)
    return store


def lying(folder: Path, name: str, lie: Callable[..., Any]) -> Store:
    """A local store one of whose methods is another; the true one comes first."""
    store = opened(folder)
    true = getattr(store, name)
    setattr(store, name, lambda *arguments, **named: lie(true, *arguments, **named))
    return store


def flipped_download(true: Any, key: str, path: Path, **named: Any) -> Digest:
    digest: Digest = true(key, path, **named)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    return digest


def torn_download(true: Any, key: str, path: Path, **named: Any) -> Digest:
    path.write_bytes(b"half")
    raise TemporaryFailure("broke off")


def lost_write(true: Any, key: str, data: bytes, **named: Any) -> str:
    return "etag" if key.endswith("manifest.json") else str(true(key, data, **named))


def unmoved_latest(true: Any, key: str, data: bytes, **named: Any) -> str:
    return str(true(key, b"{}" if key.endswith("latest.json") else data, **named))


def torn_write(true: Any, key: str, data: bytes, **named: Any) -> str:
    return str(true(key, data[:-1] + b" ", **named))


def false_loser(true: Any, key: str, data: bytes, **named: Any) -> str:
    raise PreconditionFailed("somebody else")


def cut_upload(true: Any, path: Path, key: str) -> Digest:
    digest = digest_file(path)
    path.write_bytes(path.read_bytes()[:-1])
    true(path, key)
    path.write_bytes(b"x" * digest.size_bytes)
    return digest


def other_read(true: Any, key: str, **named: Any) -> tuple[bytes, str]:
    data, etag = true(key, **named)
    return data + b" ", etag


@pytest.mark.parametrize(
    ("method", "lie", "told"),
    [
        ("download", flipped_download, "a download succeeded with other bytes"),
        ("download", torn_download, "left a file that looks whole"),
        ("write", lost_write, "is gone, though its writer was told success"),
        ("write", unmoved_latest, "was not moved to 1"),
        ("write", torn_write, "other bytes than were written"),
        ("write", false_loser, "told that it lost"),
        ("upload", cut_upload, "is not what it tells"),
        ("read", other_read, "a reader got other bytes"),
    ],
)
def test_what_must_never_happen_is_found(tmp_path: Path, method: str, lie: Callable[..., Any], told: str) -> None:
    """A store that gives, keeps or shows anything else than was written is found out, and in which way."""
    exchange = Exchange(lying(tmp_path / "s", method, lie), opened(tmp_path / "s"), tmp_path, name="x", content=CONTENT)
    exchange.round(1)
    assert told in "\n".join(exchange.tally.wrong)


def test_a_store_that_keeps_its_promises(tmp_path: Path) -> None:
    """Two rounds count nine operations each, all right, and leave nothing once they are cleared."""
    store = opened(tmp_path / "s")
    exchange = Exchange(store, store, tmp_path, name="x", content=CONTENT)
    for number in (1, 2):
        exchange.round(number)
    tally = exchange.tally
    assert (tally.num_operations, tally.num_right, tally.refused, tally.wrong) == (18, 18, {}, [])
    exchange.clear()
    assert list(store.list()) == []


def test_refusals_are_counted_by_code(tmp_path: Path) -> None:
    """An error ends the writer as it would end a process; the reader goes on and finds nothing to read."""

    def down(true: Any, *arguments: Any, **named: Any) -> None:
        raise TemporaryFailure("down")

    exchange = Exchange(
        lying(tmp_path / "s", "upload", down), opened(tmp_path / "s"), tmp_path, name="x", content=CONTENT
    )
    exchange.round(1)
    tally = exchange.tally
    assert (tally.num_operations, tally.num_right, tally.refused, tally.wrong) == (2, 1, {75: 1}, [])
