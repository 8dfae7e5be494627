"""Cache entries that vouch for themselves: a SHA-256 over every byte, looked at whenever an entry is used again.

An entry whose seal is missing or broken is made anew by whoever asked, with a warning that names it. Nothing is
deleted: the new entry takes its place once it is whole.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from loraruner.files import CHUNK_BYTES, digest_bytes, digest_file, write_bytes

_LOG = logging.getLogger(__name__)
SEAL = "seal"  # the key in a safetensors header's metadata
BLANK = {SEAL: "0" * 64}  # what a safetensors file is saved with before ``seal_tensors``
_FIELD = re.compile(rb'"seal":"([0-9a-f]{64})"')
MAX_HEADER_BYTES = 100_000_000  # of a safetensors file, the format's own limit
MAX_JSON_BYTES = 1 << 30


def seal_tensors(path: Path) -> None:
    """Put the SHA-256 of a safetensors file that was saved with the metadata ``BLANK`` in the place of the zeros.

    The digest is over the whole file with the zeros in it, so that header and tensors are covered and the same content
    has the same bytes.
    """
    place, _, sha256 = _sealed(path)
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(sha256.encode())


def tensors_whole(path: Path) -> bool:
    """Whether a sealed safetensors file is there and no bit of it has changed; a damaged one is warned of."""
    if not path.exists():
        return False
    try:
        _, found, sha256 = _sealed(path)
    except (OSError, ValueError) as error:
        return _damaged(path, str(error))
    return found == sha256 or _damaged(path, "its content differs from its digest")


def _sealed(path: Path) -> tuple[int, str, str]:
    """Where the seal stands in the file, what it says, and what it should say; ValueError where there is none."""
    with path.open("rb") as stream:
        head = stream.read(8)
        size = int.from_bytes(head, "little")
        if len(head) < 8 or size > MAX_HEADER_BYTES:
            raise ValueError("it is cut or no safetensors file")
        head += stream.read(size)
        field = _FIELD.search(head)
        if not field:
            raise ValueError("it has no digest")
        sha = hashlib.sha256(head[: field.start(1)] + BLANK[SEAL].encode() + head[field.end(1) :])
        while chunk := stream.read(CHUNK_BYTES):
            sha.update(chunk)
    return field.start(1), field[1].decode(), sha.hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` by ``value`` with its digest in front of it."""
    body = json.dumps(value, ensure_ascii=False).encode()
    write_bytes(path, digest_bytes(body).sha256.encode() + b"\n" + body)


def read_json(path: Path) -> Any | None:
    """What ``write_json`` wrote; None where there is nothing, and with a warning where it is damaged."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError(f"it has more than {MAX_JSON_BYTES:,} bytes")
        sha256, _, body = path.read_bytes().partition(b"\n")
        if sha256.decode(errors="replace") != digest_bytes(body).sha256:
            raise ValueError("its content differs from its digest")
        return json.loads(body)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        _damaged(path, str(error))
        return None


def add_note(path: Path, key: str, value: str) -> None:
    """Append one sealed line, which counts from then on, whatever ends this process."""
    line = json.dumps({"key": key, "value": value, SEAL: _seal_of(key, value)})
    with path.open("ab", buffering=0) as stream:  # one write: threads and processes may append side by side
        stream.write(f"\n{line}\n".encode())  # the line before may be torn


def read_notes(path: Path) -> dict[str, str]:
    """What ``add_note`` appended, the last of a key counts; lines that are torn or changed do not."""
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return dict(note for line in lines if (note := _note(line)))


def _note(line: bytes) -> tuple[str, str] | None:
    try:
        found = json.loads(line)
        key, value = found["key"], found["value"]
        return (key, value) if found[SEAL] == _seal_of(key, value) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _seal_of(*words: str) -> str:
    return digest_bytes(json.dumps(words).encode()).sha256


def seal_folder(folder: Path) -> None:
    """List every file of ``folder`` with size and SHA-256 in a sealed file beside it, written last."""
    write_json(_list_of(folder), _listed(folder))


def folder_whole(folder: Path) -> bool:
    """Whether a folder holds exactly the bytes that ``seal_folder`` saw; what is damaged is warned of by name."""
    if not folder.exists():
        return False
    expected = read_json(_list_of(folder))
    if expected is None:
        return _damaged(folder, "it has no list of its files")
    if expected == (found := _listed(folder)):
        return True
    name = next(name for name in sorted({*expected, *found}) if expected.get(name) != found.get(name))
    return _damaged(folder / name, "it is not what was written" if name in found else "it is missing")


@contextmanager
def one_maker(folder: Path) -> Iterator[None]:
    """Hold a lock while a folder is looked at and made: of two runs that begin together, one makes it.

    Else the second would take the first one's folder away while that is sealed or read. Where a file system knows no
    locks both make it, one after the other takes its place, and both have the same bytes.
    """
    lock = folder.parent.with_name("locks") / folder.name
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        with suppress(OSError):
            _wait_for(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _LOG.info("%s: another run makes it, this one waits", folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _list_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.complete")


def _listed(folder: Path) -> dict[str, list[Any]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): digest_file(path) for path in paths}
    return {name: [digest.size_bytes, digest.sha256] for name, digest in digests.items()}


def _damaged(path: Path, why: str) -> bool:
    _LOG.warning("%s in the cache is damaged and is made anew: %s", path, why)
    return False
