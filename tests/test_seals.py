"""Seals: no changed bit of a cache entry is believed, and what is damaged is named."""

import logging
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from loraruner import seals
from tests.support import damage
from tests.support.damage import Damage


def write_tensors(path: Path) -> None:
    save_file({"a": np.arange(5, dtype=np.float32)}, path, metadata=seals.BLANK | {"told": '"seal":"' + "1" * 64 + '"'})
    seals.seal_tensors(path)


def test_every_bit_of_tensors_counts(tmp_path: Path) -> None:
    """A sealed file is whole and loads; with any one of its bits changed, header and seal too, it is not."""
    path = tmp_path / "x.safetensors"
    write_tensors(path)
    assert seals.tensors_whole(path) and load_file(path)["a"].tolist() == [0, 1, 2, 3, 4]
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        assert not seals.tensors_whole(path), place


@pytest.mark.parametrize("harm", [damage.cut, damage.empty])
def test_what_is_damaged_is_named(tmp_path: Path, harm: Damage, caplog: pytest.LogCaptureFixture) -> None:
    """A cut file is warned of by its name; one that was never made is not."""
    path = tmp_path / "x.safetensors"
    assert not seals.tensors_whole(path) and not caplog.text
    write_tensors(path)
    harm(path)
    assert not seals.tensors_whole(path)
    assert f"{path} in the cache is damaged and is made anew" in caplog.text


def test_a_file_without_a_seal_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that somebody else wrote, or a process that was killed before it had the digest."""
    for name, metadata in (("none", None), ("blank", seals.BLANK)):
        save_file({"a": np.zeros(3)}, tmp_path / name, metadata=metadata)
        assert not seals.tensors_whole(tmp_path / name)
    assert "none in the cache is damaged and is made anew: it has no digest" in caplog.text


def test_the_same_content_has_the_same_bytes(tmp_path: Path) -> None:
    """The seal depends on the content alone."""
    for name in ("a", "b"):
        save_file({"a": np.arange(5)}, tmp_path / name, metadata=seals.BLANK)
        seals.seal_tensors(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_bit_of_json_counts(tmp_path: Path) -> None:
    """What was written comes back; with any one bit changed, or cut anywhere, nothing does."""
    path, value = tmp_path / "x", {"ü": [1, "two", None]}
    assert seals.read_json(path) is None
    seals.write_json(path, value)
    assert seals.read_json(path) == value
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert seals.read_json(path) is None
        path.write_bytes(whole[:place])
        assert seals.read_json(path) is None


def test_notes_add_up(tmp_path: Path) -> None:
    """Each line counts by itself: a torn or changed one is passed over, the last of a key wins."""
    path = tmp_path / "notes"
    assert seals.read_notes(path) == {}
    for key, value in (("a", "1"), ("b\n", "2"), ("a", "3")):
        seals.add_note(path, key, value)
    assert seals.read_notes(path) == {"a": "3", "b\n": "2"}
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.strip()]
    path.write_bytes(lines[0].replace(b'"1"', b'"9"') + b"[]\n\xff\n" + lines[1] + lines[2][:-9])
    assert seals.read_notes(path) == {"b\n": "2"}


@pytest.mark.parametrize("harm", damage.EVERY)
@pytest.mark.parametrize("name", ["folder/a.txt", "folder/sub/b.txt", "folder.complete"])
def test_a_folder_is_whole_or_not(tmp_path: Path, harm: Damage, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Any damage to any file, or to the list of files, is found and told by the name of what is wrong."""
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder / "sub" / "b.txt").write_text("two")
    seals.seal_folder(folder)
    assert seals.folder_whole(folder)
    harm(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        assert not seals.folder_whole(folder)
    assert str(tmp_path / name.removesuffix(".complete")) in caplog.text


def test_a_strange_file_is_found(tmp_path: Path) -> None:
    """A file more than was written is no whole folder; one that is not there is none, and not warned of."""
    folder = tmp_path / "folder"
    assert not seals.folder_whole(folder)
    folder.mkdir()
    seals.seal_folder(folder)
    (folder / "more").touch()
    assert not seals.folder_whole(folder)
