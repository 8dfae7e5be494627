"""Licence files of a data set: found by name at any depth, told from samples with such names."""

from pathlib import Path

from loraruner.data.licences import find_licences


def test_licence_files_are_found(tmp_path: Path) -> None:
    """Every usual name in any case, at any depth, sorted; other files are none."""
    wanted = ("COPYING.LESSER", "LICENSE", "a/Licence.md", "a/b/notice.txt", "license-photos.txt")
    for name in (*wanted, "README.md", "licenses.md", "unlicensed.txt", ".LICENSE", "notices"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert find_licences(tmp_path) == tuple(sorted(wanted))


def test_samples_are_no_licences(tmp_path: Path) -> None:
    """A picture, clip or file of rows with such a name is data, and so is the caption beside it."""
    for name in ("license-plate.jpg", "license-plate.txt", "notice.wav", "notice.txt", "license.jsonl", "copying.csv"):
        (tmp_path / name).write_text("x")
    assert find_licences(tmp_path) == ()
    (tmp_path / "license-plates.txt").write_text("x")
    assert find_licences(tmp_path) == ("license-plates.txt",)


def test_a_single_file_has_none(tmp_path: Path) -> None:
    """A data set that is one file of rows has no licence beside it that was fetched."""
    (tmp_path / "rows.jsonl").write_text("{}")
    (tmp_path / "LICENSE").write_text("x")
    assert find_licences(tmp_path / "rows.jsonl") == ()
