"""Downloads of objects that nobody gave a SHA-256: the ETag may be an MD5, and may be not."""

import hashlib
from collections.abc import Generator, Iterator
from pathlib import Path
from random import Random

import pytest

from loraruner.errors import IntegrityError
from loraruner.files import digest_bytes
from loraruner.stores import ranged
from loraruner.stores.ranged import Remote

DATA = Random(0).randbytes(300_000)
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
PARTS = {"whole": 1 << 20, "in parts": 100_000}


def remote(md5: str, damaged: Iterator[bool], part_bytes: int) -> Remote:
    """An object each of whose answers may be damaged in its last byte."""

    def open_range(start: int, length_bytes: int | None) -> Generator[bytes, None, None]:
        data = DATA[start : None if length_bytes is None else start + length_bytes]
        yield data[:-1] + bytes([data[-1] ^ 1]) if next(damaged) else data

    return Remote("s3://b/k", len(DATA), f'"{md5}"', open_range, part_bytes, md5=md5)


def answers(*first: bool, then: bool = False) -> Iterator[bool]:
    yield from first
    while True:
        yield then


@pytest.mark.usefixtures("one_worker")
@pytest.mark.parametrize("part_bytes", PARTS.values(), ids=PARTS)
def test_a_flipped_bit_is_found_by_the_md5(tmp_path: Path, part_bytes: int) -> None:
    """A damaged download is made again; nothing wrong is ever at the path."""
    damaged = answers(True)
    assert ranged.fetch(lambda: remote(MD5, damaged, part_bytes), tmp_path / "target") == digest_bytes(DATA)
    assert (tmp_path / "target").read_bytes() == DATA


@pytest.mark.parametrize("part_bytes", PARTS.values(), ids=PARTS)
def test_an_etag_that_is_no_md5(tmp_path: Path, part_bytes: int) -> None:
    """The same bytes twice are believed, whatever the ETag says."""
    num_found = 0

    def find() -> Remote:
        nonlocal num_found
        num_found += 1
        return remote("0" * 32, answers(), part_bytes)

    assert ranged.fetch(find, tmp_path / "target") == digest_bytes(DATA)
    assert num_found == 2


@pytest.mark.usefixtures("one_worker")
def test_bytes_that_are_never_the_same(tmp_path: Path) -> None:
    """Three downloads with three contents are 74, and no file is left."""
    damaged = iter([True, False, False, False, True, False, False, False, True])
    with pytest.raises(IntegrityError, match="md5 is"):
        ranged.fetch(lambda: remote(MD5, damaged, 100_000), tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_digest_decides_alone(tmp_path: Path) -> None:
    """Where a SHA-256 is given and right, an ETag that looks like another MD5 costs nothing."""
    found = remote("0" * 32, answers(), 1 << 20)
    assert ranged.fetch(lambda: found, tmp_path / "target", sha256=digest_bytes(DATA).sha256) == digest_bytes(DATA)
