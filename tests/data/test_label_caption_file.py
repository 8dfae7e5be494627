"""The file of captions: read back as it was meant, and never written over captions that would be lost."""

import csv
import io
from pathlib import Path

import pytest

from loraruner.data.label import caption_file
from loraruner.data.label.caption_file import read_earlier, refuse_strangers, suffix_fault, write_captions
from loraruner.data.metadata import read_captions
from loraruner.errors import DataInvalid

ODD = {
    "a.png": "plain",
    "b, c.png": 'with "quotes", and commas',
    " d.png": "a name with a space before it",
    "e/f g.jpg": "水墨画 ünïcode 😀",
    "=cmd|'/c calc'!A0.png": "=1+1",
    "+g.png": "+1",
    "-h.png": "-1",
    "@i.png": "@SUM(A1)",
    "j\nk.png": "a name with a line feed",
    "l.png": "'quoted'",
    "m.png": "#hash",
    "file_name.png": "prompt",
}


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.JSONL", "captions.jsonl", "x.CSV"])
def test_training_reads_what_was_written(tmp_path: Path, name: str) -> None:
    """Odd names and captions come back exactly, by the reader that training uses."""
    write_captions(tmp_path / name, ODD)
    found = read_captions({name: tmp_path / name}, name, tmp_path)
    assert (dict(found.by_file), found.skipped) == (ODD, ())
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_form_of_csv(tmp_path: Path) -> None:
    """UTF-8 with a header and line feeds; quotes only where they are needed."""
    write_captions(tmp_path / "metadata.csv", {"a.png": "a cat", "b.png": "a cat, a dög"})
    expected = 'file_name,prompt\na.png,a cat\nb.png,"a cat, a dög"\n'
    assert (tmp_path / "metadata.csv").read_bytes() == expected.encode()


def test_a_spreadsheet_runs_nothing(tmp_path: Path) -> None:
    """No field begins with a sign that spreadsheets take for a formula."""
    write_captions(tmp_path / "metadata.csv", ODD)
    text = (tmp_path / "metadata.csv").read_text()
    fields = [field for row in csv.reader(io.StringIO(text, newline="")) for field in row]
    assert [field for field in fields if field[:1] in "=+-@\t\r"] == []


def test_a_file_that_would_differ_is_not_put_in_place(tmp_path: Path) -> None:
    """A caption that could not be read back ends it, and what was there before stays."""
    path = tmp_path / "metadata.csv"
    path.write_text("a.png,old\n")
    with pytest.raises(DataInvalid, match=r"metadata\.csv: 'a\.png' cannot be written so that it is read back"):
        write_captions(path, {"a.png": "two\nlines"})
    assert path.read_text() == "a.png,old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_more_than_training_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before anything is written."""
    monkeypatch.setattr(caption_file, "MAX_METADATA_BYTES", 20)
    with pytest.raises(DataInvalid, match="more than the 20 that training reads; divide the data set"):
        write_captions(tmp_path / "metadata.csv", {"a.png": "a cat"})
    assert list(tmp_path.iterdir()) == []


def test_the_same_captions_are_the_same_bytes(tmp_path: Path) -> None:
    """Written twice, the file does not change."""
    write_captions(tmp_path / "a.csv", ODD)
    write_captions(tmp_path / "b.csv", ODD)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "text", "lost"),
    [
        ("a.csv", "file_name,prompt,rating\na.png,red,5\n", "the column 'rating'"),
        ("a.csv", "rating,file_name,prompt\n5,a.png,red\n", "the column 'rating'"),
        ("a.csv", "file_name,prompt,,rating\na.png,red,,5\n", "the column 'rating'"),
        ("a.csv", "file_name,prompt,\na.png,red,5\n", "the column 'number 3'"),
        ("a.csv", "file_name,prompt,caption\na.png,red,blue\n", "the column 'caption'"),
        ("a.csv", "file_name,prompt\na.png,red,blue\n", "a line that cannot be read (a.csv:2: needs 2 fields"),
        ("a.csv", "file_name,prompt\na.png,red\na.png,blue\n", "a line that cannot be read (a.csv:3: 'a.png' is li"),
        ("a.jsonl", '{"file_name": "a.png", "prompt": "red", "rating": 5}\n', "the column 'rating'"),
        ("a.jsonl", '{"file_name": "a.png", "prompt": "red", "caption": "b"}\n', "the column 'caption'"),
        ("a.jsonl", "no JSON\n", "a line that cannot be read (a.jsonl:1: is not JSON"),
    ],
)
def test_what_would_be_lost(tmp_path: Path, name: str, text: str, lost: str) -> None:
    """A file of before with more than captions, or with lines that can't be read, is refused with the way out."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataInvalid) as raised:
        read_earlier(path)
    assert lost in str(raised.value)
    assert str(raised.value).endswith("name another --output, or give --replace-existing")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "file_name,prompt\na.png,red\n"),
        ("a.csv", 'a.png,"red"\n'),
        ("a.csv", "prompt, filename\nred, a.png\n"),
        ("a.csv", "file_name,prompt,,\na.png,red,,\n"),
        ("a.csv", "\ufeff\nfile_name,prompt\na.png,red\n"),
        ("a.jsonl", '{"image": "a.png", "text": "red"}\n\n'),
    ],
)
def test_files_of_before_that_lose_nothing(tmp_path: Path, name: str, text: str) -> None:
    """Every form that holds names and captions alone is read."""
    (tmp_path / name).write_text(text)
    assert dict(read_earlier(tmp_path / name).by_file) == {"a.png": "red"}


def test_captions_of_other_pictures(tmp_path: Path) -> None:
    """Captions of pictures that the data set does not have are told by number and first name."""
    path = tmp_path / "a.csv"
    path.write_text("a.png,red\nb.png,blue\nc.png,green\n")
    earlier = read_earlier(path)
    refuse_strangers(path, earlier, {name: path for name in ("a.png", "b.png", "c.png", "d.png")})
    with pytest.raises(DataInvalid, match=r"captions of 2 pictures that SOURCE does not have \(first 'b\.png'\)"):
        refuse_strangers(path, earlier, {"a.png": path})


@pytest.mark.parametrize(("name", "fits"), [("a.csv", True), ("a.JSONL", True), ("a.txt", False), ("csv", False)])
def test_names_of_the_file(name: str, fits: bool) -> None:
    """Only what training reads as metadata is written."""
    assert (suffix_fault(Path(name)) == "") is fits
