"""Who may continue a broken download."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from loraruner.stores import partial
from loraruner.stores.partial import Partial


def claim(target: Path, etag: str = "one") -> Partial:
    return partial.claim(target, uri="s3://b/k", etag=etag, size_bytes=10, part_bytes=4)


def fill(owned: Partial, index: int, data: bytes) -> None:
    part = owned.parts()[index]
    owned.write(part.start, data)
    owned.note(part, hashlib.sha256(data).hexdigest())


def test_parts_cover_the_object(tmp_path: Path) -> None:
    """Ten bytes in parts of four are three parts, the last one short."""
    owned = claim(tmp_path / "t")
    assert [(part.start, part.length_bytes) for part in owned.parts()] == [(0, 4), (4, 4), (8, 2)]
    owned.close(keep=False)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_its_parts(tmp_path: Path) -> None:
    """After SIGKILL the next claim has the noted parts whose bytes are right, and no others."""
    script = (
        "import os, sys, hashlib; from pathlib import Path; from loraruner.stores import partial\n"
        "p = partial.claim(Path(sys.argv[1]), uri='s3://b/k', etag='one', size_bytes=10, part_bytes=4)\n"
        "for part, data in zip(p.parts(), (b'aaaa', b'bbbb')):\n"
        "    p.write(part.start, data); p.note(part, hashlib.sha256(b'aaaa').hexdigest())\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", script, tmp_path / "t"], env=environment, check=False)
    assert killed.returncode == -9
    owned = claim(tmp_path / "t")
    assert [owned.has(part) for part in owned.parts()] == [True, False, False]
    fill(owned, 1, b"bbbb")
    fill(owned, 2, b"cc")
    owned.finish(tmp_path / "t")
    owned.close(keep=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"t": b"aaaabbbbcc"}


def test_a_partial_in_use_is_left_alone(tmp_path: Path) -> None:
    """While one owner works, another claim of the same target gets its own file."""
    first, second = claim(tmp_path / "t"), claim(tmp_path / "t")
    assert first.path != second.path
    first.close(keep=True)
    third = claim(tmp_path / "t")
    assert third.path == first.path
    for owned in (second, third):
        owned.close(keep=False)
    assert list(tmp_path.iterdir()) == []


def test_a_partial_of_another_content_is_removed(tmp_path: Path) -> None:
    """A changed object, or damaged notes, mean a new beginning."""
    for damage in (lambda path: None, lambda path: path.write_text("{")):
        old = claim(tmp_path / "t", etag="one")
        fill(old, 0, b"aaaa")
        old.close(keep=True)
        damage(old.path.with_name(f"{old.path.name}.parts"))
        new = claim(tmp_path / "t", etag="two")
        assert new.path != old.path and not old.path.exists() and not new.has(new.parts()[0])
        new.close(keep=False)
        assert list(tmp_path.iterdir()) == []


def test_another_machine_is_trusted_to_be_at_work(tmp_path: Path) -> None:
    """Another boot's partial is neither continued nor removed, until it is a day old."""
    old = claim(tmp_path / "t")
    old.close(keep=True)
    notes = old.path.with_name(f"{old.path.name}.parts")
    notes.write_text(notes.read_text().replace(partial._boot(), "another-boot"))
    claim(tmp_path / "t").close(keep=False)
    assert old.path.exists()
    yesterday = time.time() - partial.STALE_S - 60
    os.utime(old.path, (yesterday, yesterday))
    claim(tmp_path / "t").close(keep=False)
    assert list(tmp_path.iterdir()) == []
