"""Archives: what is unpacked, and that hostile ones leave nothing behind."""

import contextlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraruner.data.archives import Limits, data_root, is_archive, unpack
from loraruner.errors import DataInvalid

FILES = {"metadata.csv": b"a.png,a red circle\n", "a.png": b"not decoded here", "sub/b.png": b"b" * 70_000}


def make_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as bundle:
        for name, content in members.items():
            bundle.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return path


def make_tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as bundle:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return path


def make_plain_tar(path: Path, members: dict[str, bytes]) -> Path:
    return make_tar(path, members, "w")


MAKERS = pytest.mark.parametrize("make", [make_zip, make_tar, make_plain_tar])
Maker = Callable[[Path, dict[str, bytes]], Path]
Refusal = Callable[..., None]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@MAKERS
def test_unpacks_what_was_packed(make: Maker, tmp_path: Path) -> None:
    """Zip, tar and gzipped tar give back every file; the kind is told by content, not by suffix."""
    archive = make(tmp_path / "data.bin", FILES)
    assert is_archive(archive)
    assert contents(unpack(archive, tmp_path / "out")) == FILES


def test_single_top_folder_is_the_data_root(tmp_path: Path) -> None:
    """With one folder at the top the data root is that folder, also when asked again later."""
    archive = make_zip(tmp_path / "d.zip", {f"set/{name}": content for name, content in FILES.items()})
    root = unpack(archive, tmp_path / "out")
    assert root == tmp_path / "out" / "set" == data_root(tmp_path / "out")
    assert contents(root) == FILES


def test_litter_of_macos_is_left_out(tmp_path: Path) -> None:
    """__MACOSX and .DS_Store are neither unpacked nor in the way of a single top folder."""
    archive = make_zip(tmp_path / "d.zip", {"set/a": b"1", "set/.DS_Store": b"x", "__MACOSX/set/._a": b"y"})
    assert contents(unpack(archive, tmp_path / "out")) == {"a": b"1"}


def test_nested_archive_stays_a_file(tmp_path: Path) -> None:
    """An archive within an archive is not unpacked."""
    inner = make_zip(tmp_path / "inner.zip", FILES).read_bytes()
    assert contents(unpack(make_tar(tmp_path / "d.tgz", {"i.zip": inner}), tmp_path / "out")) == {"i.zip": inner}


def test_tar_of_the_current_folder(tmp_path: Path) -> None:
    """`tar -C folder -c .` (members ./ and ./a) is read."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"1")
    with tarfile.open(tmp_path / "d.tar", "w") as bundle:
        bundle.add(tmp_path / "in", ".")
    assert contents(unpack(tmp_path / "d.tar", tmp_path / "out")) == {"a": b"1"}


def test_unpack_again_replaces(tmp_path: Path) -> None:
    """Unpacking to a folder that exists replaces it as a whole."""
    unpack(make_zip(tmp_path / "1.zip", {"old": b"1", "x": b"2"}), tmp_path / "out")
    unpack(make_zip(tmp_path / "2.zip", {"new": b"3", "x": b"4"}), tmp_path / "out")
    assert contents(tmp_path / "out") == {"new": b"3", "x": b"4"}


def test_refusal_keeps_what_was_there(tmp_path: Path, refused: Refusal) -> None:
    """A refused archive does not touch the folder that an earlier one filled."""
    unpack(make_zip(tmp_path / "1.zip", {"old": b"1", "x": b"2"}), tmp_path / "out")
    refused(make_zip(tmp_path / "2.zip", {"new": b"3", "../x": b"4"}), r"\.\.")
    assert contents(tmp_path / "out") == {"old": b"1", "x": b"2"}


@MAKERS
@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "..\\evil",
        "C:/evil",
        "c:evil",
        "a\nb",
        "a\x1b[2Jb",
        "x" * 256,
        "a/" * 33 + "b",
    ],
)
def test_hostile_names(make: Maker, name: str, tmp_path: Path, refused: Refusal) -> None:
    """Names that leave the folder, or that some system reads otherwise, refuse the archive and are named."""
    refused(make(tmp_path / "d", {"good": b"1", name: b"evil"}), "member ")
    assert not (tmp_path.parent / "evil").exists()


@MAKERS
@pytest.mark.parametrize(
    "first, second",
    [("A.png", "a.png"), ("caf\u00e9", "cafe\u0301"), ("Set/a", "set/b"), ("a", "a/b"), ("a/b", "a")],
)
def test_clashing_names(make: Maker, first: str, second: str, tmp_path: Path, refused: Refusal) -> None:
    """Two names that some file system takes for one, or a file used as a folder, are refused."""
    refused(make(tmp_path / "d", {first: b"1", second: b"2"}), "clashes with")


@MAKERS
def test_limits(make: Maker, tmp_path: Path, refused: Refusal) -> None:
    """Count, file size and total size have bounds; exactly at the bound is allowed."""
    archive = make(tmp_path / "d", {"a": os.urandom(600), "b": os.urandom(600), "c": os.urandom(600)})
    refused(archive, "more than 2", Limits(max_members=2))
    refused(archive, "member 'a' is larger than 599", Limits(max_file_bytes=599))
    refused(archive, "member 'c' brings the unpacked size above 1,799", Limits(max_total_bytes=1799))
    unpack(archive, tmp_path / "out", limits=Limits(max_members=3, max_file_bytes=600, max_total_bytes=1800))


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_bomb(make: Maker, tmp_path: Path, refused: Refusal) -> None:
    """A thousandfold bomb is stopped at 200 times the archive's size, or 10 MiB, not at its end."""
    refused(make(tmp_path / "d", {"bomb": bytes(40 << 20)}), "above 200 times the archive's")


def test_bomb_in_litter(tmp_path: Path, refused: Refusal) -> None:
    """What is read past without being written counts as well."""
    refused(make_tar(tmp_path / "d", {"__MACOSX/bomb": bytes(40 << 20)}), "above 200 times")


def test_bomb_of_ten_thousand(tmp_path: Path, refused: Refusal) -> None:
    """Packers that reach 10,000 to 1 (deflate cannot) are not read at all."""
    archive = make_zip(tmp_path / "d.zip", {"bomb": bytes(20 << 20)}, zipfile.ZIP_BZIP2)
    assert (20 << 20) / archive.stat().st_size > 10_000
    refused(archive, "method 12")


def test_small_compressible_text_is_no_bomb(tmp_path: Path) -> None:
    """Below 10 MiB the ratio does not count: rows of one text a thousand times are fine."""
    archive = make_zip(tmp_path / "d.zip", {"rows.txt": b"the same row\n" * 400_000})
    assert archive.stat().st_size * 200 < 13 * 400_000
    unpack(archive, tmp_path / "out")


@MAKERS
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_cut_archive(make: Maker, share: float, tmp_path: Path, refused: Refusal) -> None:
    """An archive cut anywhere is refused: no shorter data set is made of it."""
    suffix = {make_zip: "d.zip", make_tar: "d.tgz"}.get(make, "d.tar")
    archive = make(tmp_path / suffix, {f"{i}": os.urandom(20_000) for i in range(5)})
    os.truncate(archive, int(archive.stat().st_size * share))
    assert is_archive(archive)
    refused(archive, "cut or damaged|neither a zip")


def test_is_archive_of_other_files(tmp_path: Path, refused: Refusal) -> None:
    """Rows and folders are no archives; a file named .zip is taken at its word and then refused."""
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}')
    (tmp_path / "set.zip").mkdir()
    (tmp_path / "d.zip").write_text("<html>not found</html>")
    assert [is_archive(tmp_path / name) for name in ("rows.jsonl", "set.zip", "gone.zip", "d.zip")] == [False] * 3 + [
        True
    ]
    refused(tmp_path / "d.zip", "neither a zip nor a tar")


@MAKERS
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_anywhere(make: Maker, edits: list[tuple[float, int]], tmp_path: Path) -> None:
    """Whatever bytes of an archive are changed: it unpacks, or DataInvalid, and nothing lies outside."""
    raw = bytearray(make(tmp_path / "d", {"a.txt": b"hello" * 20, "sub/b.txt": b"world"}).read_bytes())
    for place, value in edits:
        raw[int(place * len(raw))] = value
    (tmp_path / "d").write_bytes(raw)
    with contextlib.suppress(DataInvalid):
        unpack(tmp_path / "d", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} <= {"d", "out"}
