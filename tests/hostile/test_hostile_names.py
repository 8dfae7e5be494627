"""Names that mean harm: keys in stores, files on the disk, what is shown of them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraruner.cli import tell
from loraruner.data.folders import MAX_DEPTH, list_files
from loraruner.data.pictures import scan_pictures
from loraruner.errors import DataInvalid
from loraruner.settings import load
from loraruner.stage import Input, list_input
from loraruner.stores.base import ObjectInfo
from loraruner.stores.keys import check_key, require_distinct
from loraruner.stores.local import open_store
from tests.support.hostile_pictures import png
from tests.support.measured import assert_orderly, loraruner
from tests.support.surroundings import untouched

KEYS = [
    "..",
    "../x",
    "a/../../x",
    "a/./b",
    "/etc/passwd",
    "a//b",
    "a\\..\\b",
    "a\nb",
    "a\x7fb",
    "a\x9bb",
    "\udce9",
    "x" * 256,
    "\u00e9" * 128,
    "a/" * 64 + "b",
    "/".join(["x" * 200] * 6),
]


@pytest.mark.parametrize("key", KEYS)
def test_keys_that_are_no_paths(key: str) -> None:
    """No key leaves its folder, hides what it is, or is more than a file system can hold; the rest is shortened."""
    with pytest.raises(DataInvalid) as caught:
        check_key(key, "s3://b/p")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


@pytest.mark.parametrize("key", ["a b/c.png", "\u00e9" * 127, "x" * 255, "a/" * 63 + "b", "-rf", "con", "..a/b.."])
def test_keys_that_are_odd_paths(key: str) -> None:
    """What Linux takes for a file's name is one."""
    assert check_key(key, "s3://b/p") == key


@settings(max_examples=200, deadline=None, derandomize=True)
@given(key=st.text(st.characters() | st.sampled_from("/\\.."), max_size=40))
def test_any_key(key: str) -> None:
    """A key that passes is a path below any folder, of the very same text."""
    try:
        check_key(key, "s3://b/p")
    except DataInvalid:
        return
    root = Path("/top/of/all")
    assert not key or str(root / key) == os.path.normpath(root / key) == f"{root}/{key}"


@pytest.mark.parametrize(
    "keys, told",
    [
        (("caf\u00e9.png", "cafe\u0301.png"), "look the same"),
        (("d/\u00e9/a", "d/e\u0301/a"), "look the same"),
        (("a", "a/b"), "is a folder of"),
        (("a/b/c/d", "a/b"), "is a folder of"),
    ],
)
def test_keys_that_would_be_one_path(keys: tuple[str, str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two objects of one name, and an object that is also a folder, are 65 with the input, before a byte is fetched."""
    with pytest.raises(DataInvalid, match=told):
        require_distinct(keys, "s3://b/p")
    with pytest.raises(DataInvalid, match=r"\$\.data\.uri: s3://b/p"):
        _listed(monkeypatch, *keys)
    assert len(_listed(monkeypatch, "a", "ab", "a.b", "b/a", "A").objects) == 5


def _listed(monkeypatch: pytest.MonkeyPatch, *keys: str) -> Input:
    """What an input is when a page of the store lists ``keys``."""

    class Page:
        uri = "s3://b/p"

        def list(self) -> list[ObjectInfo]:
            return [ObjectInfo(key, 1, "e") for key in keys]

    monkeypatch.setattr("loraruner.stage.open_store", lambda uri, settings: Page())
    return list_input("$.data.uri", "s3://b/p", load({"HOME": "/nowhere"}))


def test_the_longest_name_can_be_fetched(tmp_path: Path) -> None:
    """A name of 255 bytes has room for the names of half-made files beside it."""
    name = "\u00e9" * 125 + ".png1"
    store = open_store(str(tmp_path / "store"), load({"HOME": str(tmp_path)}))
    store.write(name, b"1", if_absent=True)
    store.write(name, b"2")
    store.download(name, tmp_path / "copy" / name)
    assert (tmp_path / "copy" / name).read_bytes() == b"2"
    assert [path.name for path in (tmp_path / "copy").iterdir()] == [name]


@contextmanager
def _deep(folder: Path, depth: int) -> Iterator[Path]:
    """Folders within folders, more than a path may have, with a picture in the last; removed again."""
    start = os.open(".", os.O_RDONLY)
    folder.mkdir(parents=True)
    try:
        os.chdir(folder)
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        Path("a.png").write_bytes(png())
        Path("a.txt").write_text("a")
        os.fchdir(start)
        yield folder
    finally:
        os.fchdir(start)
        os.close(start)
        subprocess.run(["rm", "-r", folder], check=True)  # shutil.rmtree recurses


@pytest.mark.parametrize("depth, used", [(MAX_DEPTH, 1), (MAX_DEPTH + 1, 0), (1100, 0)])
def test_folders_within_folders(depth: int, used: int, tmp_path: Path) -> None:
    """So many are searched; what lies deeper is one skipped name, not an error of Python's or the system's."""
    with _deep(tmp_path / "data", depth) as folder:
        scan = scan_pictures(folder, metadata=None)
    assert (len(scan.samples), len(scan.skipped)) == (used, 1 - used)
    assert all("lies below 32 folders" in bad.reason for bad in scan.skipped)


ODD = [
    b"caf\xe9.png",
    b"a\nb.png",
    b"a\x1b]0;title\x07.png",
    b"\xf0\x9f\x98\x80.png",
    b"-rf",
    b"$(touch evil).png",
    b"~",
]


def test_names_on_the_disk(tmp_path: Path) -> None:
    """Whatever bytes are in a name, the file is listed, or skipped under a name that can be printed."""
    with untouched(tmp_path, "data") as folder:
        (folder / "data").mkdir()
        for name in ODD:
            Path(os.fsdecode(os.fsencode(folder / "data") + b"/" + name)).write_bytes(png())
        listing = list_files(folder / "data")
        assert len(listing.files) + len(listing.skipped) == len(ODD)
        assert all(bad.name.encode() for bad in listing.skipped)


def _check(source: Path, log: str, folder: Path) -> None:
    told = loraruner("--log-format", log, "data", "check", source, folder=folder)
    assert_orderly(told)
    assert "\x1b" not in told.err + told.out and "\x07" not in told.err + told.out


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ODD, b"link.png", b"x" * 255])
def test_names_at_the_command_line(name: bytes, tmp_path: Path) -> None:
    """Checking a folder with such a name ends with a code of the table and changes nothing; no escape is printed."""
    with untouched(tmp_path / "around", "data") as folder:
        (folder / "data").mkdir()
        odd = Path(os.fsdecode(os.fsencode(folder / "data") + b"/" + name))
        if name == b"link.png":
            odd.symlink_to(folder / "secret")
        else:
            odd.write_bytes(png())
        _check(folder / "data", "text", tmp_path)
        _check(odd, "json", tmp_path)


@pytest.mark.slow
def test_deep_folders_at_the_command_line(tmp_path: Path) -> None:
    """Folders deeper than Python recurses and the system names are refused like any other input."""
    for depth in (1200, 2500):
        with _deep(tmp_path / "data", depth) as folder:
            _check(folder, "json", tmp_path)


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A name with a line feed makes no line of its own that could be taken for another message."""
    tell(DataInvalid("/data/a\nerror 0 OK\r\x1b[2J\x9b31m: is no folder"))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error 65 DATA_INVALID: /data/a\\nerror 0 OK") and line.isprintable()
