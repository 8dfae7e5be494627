"""metadata.csv and metadata.jsonl of clips: the usual names of columns, language and task of each row."""

import json
from pathlib import Path

import pytest

from loraruner.data.captions import text_of
from loraruner.data.kinds import CLIPS, PICTURES
from loraruner.data.metadata import Captions, read_captions
from loraruner.errors import DataInvalid


def read(folder: Path, content: str, name: str = "metadata.csv") -> Captions:
    (folder / name).write_bytes(content.encode())
    return read_captions({name: folder / name}, name, folder, CLIPS)


@pytest.mark.parametrize("file", CLIPS.file_keys)
@pytest.mark.parametrize("text", CLIPS.text_keys)
def test_names_of_columns(file: str, text: str, tmp_path: Path) -> None:
    """Every name of the two columns is known, in CSV and in JSON lines."""
    expected = {"a.wav": "ahoy there"}
    assert read(tmp_path, f"{file},{text}\na.wav,ahoy there\n").by_file == expected
    line = json.dumps({file: "a.wav", text: "ahoy there"})
    assert read(tmp_path, line, "metadata.jsonl").by_file == expected


@pytest.mark.parametrize(
    "content",
    [
        "\ufefffile_name,transcription\r\na.wav,ahoy there\r\n",
        "duration,Sentence,Path\n1.5,ahoy  there,./a.wav\n",
        'a.wav,"ahoy\nthere"\n',
        "\ufeffa.wav, ahoy there\r\n\r\n",
    ],
)
def test_csv_spellings(content: str, tmp_path: Path) -> None:
    """BOM, CRLF, quotes, further columns, any order, no header: the same transcript."""
    assert read(tmp_path, content) == Captions("metadata.csv", {"a.wav": "ahoy there"}, ())


def test_audio_as_hugging_face_writes_it(tmp_path: Path) -> None:
    """``audio`` may be an object with a path; without one the line is skipped."""
    lines = [
        {"audio": {"path": "a.wav", "bytes": None}, "text": "one"},
        {"audio": {"array": [0.0]}, "text": "two"},
        {"audio": ["c.wav"], "text": "three"},
    ]
    found = read(tmp_path, "\n".join(map(json.dumps, lines)), "manifest.jsonl")
    assert found.by_file == {"a.wav": "one"}
    assert [bad.name for bad in found.skipped] == ["manifest.jsonl:2", "manifest.jsonl:3"]
    assert "one of file_name, filename, file, audio, audio_filepath, path, audio_file" in found.skipped[0].reason


def test_language_and_task_of_rows(tmp_path: Path) -> None:
    """``language`` and ``task`` (or ``whisper_task``) are kept for the rows that fill them in."""
    both = {"language": "de", "whisper_task": "translate"}
    found = read(tmp_path, "file,text,task,language\na.wav,one,translate,de\nb.wav,two,, \n")
    assert (found.by_file, found.extras) == ({"a.wav": "one", "b.wav": "two"}, {"a.wav": both})
    lines = [
        {"file": "a.wav", "text": "one", **both},
        {"file": "b.wav", "text": "two", "language": None},
        {"file": "c.wav", "text": "three", "language": 5},
    ]
    found = read(tmp_path, "\n".join(map(json.dumps, lines)), "metadata.jsonl")
    assert (found.by_file, found.extras) == ({"a.wav": "one", "b.wav": "two"}, {"a.wav": both})
    assert found.skipped[0].reason == "language must be a text, not '5'"


def test_messages_speak_of_transcripts(tmp_path: Path) -> None:
    """What is wrong is told in the words of speech."""
    found = read(tmp_path, f"a.wav,one, two\nb.wav,{'x' * 100_001}\n")
    assert "put transcripts with commas in quotes" in found.skipped[0].reason
    assert "has a transcript of 100,001 characters, more than 100,000" in found.skipped[1].reason
    with pytest.raises(DataInvalid, match=r"needs one column of .*audio_filepath.* and one of transcription, tr"):
        read(tmp_path, "file_name,words\na.wav,one\n")
    with pytest.raises(DataInvalid, match="points out of the data folder"):
        read(tmp_path, json.dumps({"audio": {"path": "/etc/passwd"}, "text": "one"}), "metadata.jsonl")


def test_an_hour_has_a_long_transcript(tmp_path: Path) -> None:
    """A recording may be an hour long, so its transcript may be too, in a row or beside it."""
    hour = "word " * 15_000
    assert len(read(tmp_path, f"a.wav,{hour}\n").by_file["a.wav"]) == len(hour) - 1
    (tmp_path / "a.txt").write_text(hour)
    files = {name: tmp_path / name for name in ("a.wav", "a.txt")}
    assert text_of("a.wav", Captions("", {}, ()), files, CLIPS) == hour.strip()


def test_pictures_know_no_extra_columns(tmp_path: Path) -> None:
    """The same file read for pictures has no language and no transcripts."""
    (tmp_path / "metadata.csv").write_text("file_name,text,language\na.png,one,de\n")
    found = read_captions({"metadata.csv": tmp_path / "metadata.csv"}, None, tmp_path, PICTURES)
    assert found == Captions("metadata.csv", {"a.png": "one"}, ())
