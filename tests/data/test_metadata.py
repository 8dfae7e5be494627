"""metadata.csv and metadata.jsonl: every spelling of captions, and what is wrong with bad ones."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraruner.data.metadata import Captions, read_captions
from loraruner.errors import DataInvalid, InputMissing


def read(folder: Path, content: str | bytes, name: str = "metadata.csv", *, named: bool = False) -> Captions:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_captions({name: path}, name if named else None, folder)


@pytest.mark.parametrize(
    "content",
    [
        "filename,prompt\na.png,a red circle\n",
        "\ufefffile_name,text\r\na.png,a red circle\r\n",
        'Caption,File\n"a red circle",a.png\n',
        "id,image,extra,caption\n7,a.png,x,a red circle",
        'a.png,"a red circle"\n',
        'a.png, "a red  circle"\n\n',
        '"./a.png","a red\ncircle"\n',
    ],
)
def test_csv_spellings(content: str, tmp_path: Path) -> None:
    """With or without a header, any column order, quotes, BOM, CRLF: the same caption."""
    assert read(tmp_path, content) == Captions("metadata.csv", {"a.png": "a red circle"}, ())


def test_commas_and_quotes_in_captions(tmp_path: Path) -> None:
    """Quoted commas and doubled quotes belong to the caption."""
    found = read(tmp_path, 'img01.jpg,"cyberpunk cityscape, ""neon"" lights"\n')
    assert found.by_file == {"img01.jpg": 'cyberpunk cityscape, "neon" lights'}


def test_header_needs_no_caption_to_look_like_one(tmp_path: Path) -> None:
    """A first row with a picture's name is a row, even if its caption is the word 'text'."""
    assert read(tmp_path, "a.png,text\nb.png,image\n").by_file == {"a.png": "text", "b.png": "image"}


def test_unquoted_comma_is_named(tmp_path: Path) -> None:
    """A caption cut by its own commas is not trained on: the line is skipped with the fix."""
    found = read(tmp_path, "a.png,one\nb.png,two, three\nc.png\n")
    assert found.by_file == {"a.png": "one"}
    assert [(bad.name, bad.reason) for bad in found.skipped] == [
        ("metadata.csv:2", "needs 2 fields and has 3: put captions with commas in quotes"),
        ("metadata.csv:3", "needs 2 fields and has 1: separate them by commas"),
    ]


def test_line_numbers_count_lines_not_rows(tmp_path: Path) -> None:
    """After a caption of two lines the next row's number is still that of its line in the file."""
    assert read(tmp_path, 'a.png,"one\ntwo"\n\nb.png\n').skipped[0].name == "metadata.csv:4"


@pytest.mark.parametrize(
    "content, match",
    [
        (b"a.png,one\nb.png,caf\xe9\n", r"metadata\.csv:2: not UTF-8"),
        ("a.png,one".encode("utf-16"), r"metadata\.csv:1: not UTF-8"),
        ('a.png,one\nb.png,"two\nc.png,three\n', r"metadata\.csv:2: not CSV"),
        ('a.png,"one" more\n', r"metadata\.csv:1: not CSV"),
        ("filename,words\na.png,one\n", "needs one column of .* and one of prompt, caption, text"),
        ("path,prompt\na.png,one\n", "needs one column of file_name"),
        ("a.png,one\n../b.png,two\n", r"metadata\.csv:2: '\.\./b\.png' points out"),
        ("/etc/passwd,two\n", "points out"),
        ("C:\\a.png,two\n", "points out"),
        ("sub\\..\\..\\a.png,two\n", "points out"),
    ],
)
def test_files_that_are_refused(content: str | bytes, match: str, tmp_path: Path) -> None:
    """Wrong encoding, broken quotes, a header without a column, paths out of the folder: 65 with the line."""
    with pytest.raises(DataInvalid, match=match):
        read(tmp_path, content)


def test_windows_and_mac_names(tmp_path: Path) -> None:
    """Backslashes between folders are read as slashes; names are compared in NFC."""
    assert set(read(tmp_path, "sub\\a.png,one\ncafe\u0301.png,two\n").by_file) == {
        "sub/a.png",
        "caf\u00e9.png",
    }


def test_names_count_from_the_metadata_files_folder(tmp_path: Path) -> None:
    """In set/metadata.csv, a.png is set/a.png."""
    assert read(tmp_path, "a.png,one\n", "set/metadata.csv", named=True).by_file == {"set/a.png": "one"}


def test_long_captions(tmp_path: Path) -> None:
    """A caption above 10,000 characters is skipped, a field above Python's own limit refuses the file."""
    assert "20,000 characters" in read(tmp_path, f"a.png,{'x' * 20_000}\n").skipped[0].reason
    with pytest.raises(DataInvalid, match="field limit"):
        read(tmp_path, f"a.png,{'x' * 200_000}\n")


def test_jsonl(tmp_path: Path) -> None:
    """metadata.jsonl takes the same names of keys; each bad line is skipped by number with the reason."""
    lines = [
        json.dumps({"file_name": "a.png", "text": "one", "width": 3}),
        json.dumps({"image": "b.png", "prompt": "two"}),
        "",
        "{broken",
        json.dumps(["c.png", "three"]),
        json.dumps({"file_name": "d.png"}),
        json.dumps({"file_name": "e.png", "text": 5}),
        '{"file_name": "f.png", "text": "\\ud800"}',
        json.dumps({"file_name": "a.png", "text": "again"}),
    ]
    found = read(tmp_path, "\n".join(lines), "metadata.jsonl")
    assert found.by_file == {"a.png": "one", "b.png": "two"}
    assert [bad.name for bad in found.skipped] == [f"metadata.jsonl:{line}" for line in range(4, 10)]


def test_csv_comes_before_jsonl(tmp_path: Path) -> None:
    """With both default files there, metadata.csv is used; a name of the job's goes before both."""
    files = {name: tmp_path / name for name in ("metadata.csv", "metadata.jsonl", "other.csv")}
    files["metadata.csv"].write_text("a.png,csv")
    files["metadata.jsonl"].write_text('{"file": "a.png", "text": "jsonl"}')
    files["other.csv"].write_text("a.png,other")
    assert read_captions(files, None, tmp_path).by_file == {"a.png": "csv"}
    assert read_captions(files, "other.csv", tmp_path).by_file == {"a.png": "other"}
    assert read_captions({}, None, tmp_path) == Captions("", {}, ())


def test_named_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing $.data.metadata is 66 and says which files there are; other kinds are 65."""
    with pytest.raises(InputMissing, match=r"\$\.data\.metadata: no file 'meta\.csv' .*captions\.csv"):
        read_captions({"captions.csv": tmp_path, "a.png": tmp_path}, "meta.csv", tmp_path)
    with pytest.raises(DataInvalid, match=r"must be a \.csv or \.jsonl"):
        read_captions({"captions.yaml": tmp_path}, "captions.yaml", tmp_path)


FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CSV_TEXT = st.text(alphabet='ab.png,"\n\r ;\\/:\0\ufeff\u0301', max_size=60)


@FUZZ
@given(
    content=st.one_of(
        CSV_TEXT.map(str.encode),
        CSV_TEXT.map(lambda rest: b"filename,prompt\n" + rest.encode()),
        st.binary(max_size=60),
    )
)
@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_any_bytes(name: str, content: bytes, tmp_path: Path) -> None:
    """Whatever the file holds: captions inside the folder, skipped lines, or DataInvalid."""
    try:
        found = read(tmp_path, content, name)
    except DataInvalid:
        return
    assert not any(file.startswith("/") or ".." in file.split("/") for file in found.by_file)


@FUZZ
@given(caption=st.text('aé🎨\u0301\u2028\0\x1f \n"\\,', min_size=1, max_size=40))
def test_json_captions_survive(caption: str, tmp_path: Path) -> None:
    """Any text that JSON can carry comes back as the caption, but for white space."""
    found = read(tmp_path, json.dumps({"file_name": "a.png", "text": caption}), "metadata.jsonl")
    assert found.by_file == {"a.png": " ".join(caption.split())}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_header_with_other_separators_is_named(tmp_path: Path, separator: str) -> None:
    """A spreadsheet's semicolons or tabs are one fault of the file, not a bad line for every sample."""
    with pytest.raises(DataInvalid, match=r"metadata.csv:1: .* is not separated by commas"):
        read(tmp_path, f"file_name{separator}prompt\na.png{separator}a red house\n")
