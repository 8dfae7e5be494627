"""Which pictures have a caption of a person's, as training would find it."""

import unicodedata
from pathlib import Path

import pytest

from loraruner.data.label.listing import list_gallery
from loraruner.errors import InputMissing
from tests.support.published import png


def folder_of(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png())
    return folder


def test_metadata_and_text_files(tmp_path: Path) -> None:
    """Captions of the metadata file and of text files beside pictures are people's; an empty one is none."""
    folder_of(tmp_path, "a.png", "b.png", "c.png", "d/e.PNG", "f.jpg")
    (tmp_path / "metadata.csv").write_text('file_name,prompt\na.png,"red, round"\nb.png,\n')
    (tmp_path / "a.txt").write_text("not looked at")
    (tmp_path / "c.txt").write_text(" \n")
    (tmp_path / "d/e.caption").write_text("deep")
    gallery = list_gallery(tmp_path, None)
    assert list(gallery.pictures) == ["a.png", "b.png", "c.png", "d/e.PNG", "f.jpg"]
    assert gallery.captions == {"a.png": "red, round", "d/e.PNG": "deep"}
    assert (gallery.skipped, gallery.unreadable) == ((), {})


def test_another_metadata_file(tmp_path: Path) -> None:
    """The file that is named counts in place of the usual one; 66 where there is none of that name."""
    folder_of(tmp_path, "a.png")
    (tmp_path / "metadata.csv").write_text("a.png,usual\n")
    (tmp_path / "mine.jsonl").write_text('{"file_name": "a.png", "prompt": "mine"}\n')
    assert list_gallery(tmp_path, "mine.jsonl").captions == {"a.png": "mine"}
    with pytest.raises(InputMissing, match=r"no file 'other\.csv'"):
        list_gallery(tmp_path, "other.csv")


def test_what_is_skipped(tmp_path: Path) -> None:
    """Lines without a picture, formats that are not read, and links are named with the reason."""
    folder_of(tmp_path, "a.png", "b.gif")
    (tmp_path / "c.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_text("a.png,red\ngone.png,blue\na.png\n")
    skipped = {bad.name: bad.reason for bad in list_gallery(tmp_path, None).skipped}
    assert skipped == {
        "b.gif": ".gif pictures are not read: convert it to PNG or JPEG",
        "c.png": "is a link: put the file itself there",
        "gone.png": "listed in metadata.csv but not there",
        "metadata.csv:3": "needs 2 fields and has 1: separate them by commas",
    }


def test_a_caption_that_cannot_be_read(tmp_path: Path) -> None:
    """A text file that is not UTF-8 is a person's all the same: named, so that no model writes over it."""
    folder_of(tmp_path, "a.png")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    gallery = list_gallery(tmp_path, None)
    assert gallery.captions == {}
    assert gallery.unreadable == {"a.png": "its caption a.txt is not UTF-8, or too long"}


@pytest.mark.parametrize("name", ["a\\b.png", "c:.png"])
def test_names_that_no_metadata_file_can_hold(tmp_path: Path, name: str) -> None:
    """They are skipped before a model looks at them."""
    gallery = list_gallery(folder_of(tmp_path, name, "a.png"), None)
    assert list(gallery.pictures) == ["a.png"]
    assert [(bad.name, bad.reason.partition(":")[0]) for bad in gallery.skipped] == [
        (name, "no metadata file can name it, because of its backslash or colon")
    ]


def test_names_that_differ_in_the_form_of_unicode_alone(tmp_path: Path) -> None:
    """The second of two that a metadata file could not tell apart is skipped."""
    names = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    gallery = list_gallery(folder_of(tmp_path, *names), None)
    first, second = sorted(names)
    assert list(gallery.pictures) == [first]
    assert [bad.name for bad in gallery.skipped] == [second]
