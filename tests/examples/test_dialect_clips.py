"""The dialect demo's clips keep what its README claims about them, and the script that makes them still would."""

import csv
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import soundfile

DIALECT = Path(__file__).parents[2] / "examples" / "dialect"
SETS = {"clips": 180, "heldout": 60}
MAX_BYTES = 3_000_000


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """``examples/dialect/make_clips.py`` as a module."""
    spec = importlib.util.spec_from_file_location("dialect_make_clips", DIALECT / "make_clips.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(name: str) -> list[dict[str, str]]:
    with (DIALECT / name / "metadata.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def words(name: str) -> set[str]:
    return {word for row in rows(name) for word in re.findall(r"[\w']+", row["transcription"].lower())}


@pytest.mark.parametrize("name", SETS)
def test_every_clip_has_a_row(name: str) -> None:
    """Each folder holds its number of clips and a table that names every one of them, once, and what is said."""
    table = rows(name)
    assert len(table) == SETS[name]
    assert sorted(row["file_name"] for row in table) == sorted(path.name for path in (DIALECT / name).glob("*.ogg"))
    assert all(set(row) == {"file_name", "transcription"} and row["transcription"].strip() for row in table)


@pytest.mark.parametrize("name", SETS)
def test_every_clip_can_be_heard(name: str) -> None:
    """Each clip decodes to 1 to 5 s of one channel at 16 kHz that is neither silent nor clipped."""
    for row in rows(name):
        audio, rate_hz = soundfile.read(DIALECT / name / row["file_name"], dtype="float32")
        assert rate_hz == 16_000 and audio.ndim == 1, row
        assert 1.0 <= len(audio) / rate_hz <= 5.0, row
        assert 0.05 < abs(audio).max() <= 1.0, row


def test_held_out_sentences_are_new_and_their_words_are_not() -> None:
    """All 240 sentences differ, and every held-out word is spoken in some clip that is trained on."""
    sentences = [row["transcription"] for name in SETS for row in rows(name)]
    assert len(set(sentences)) == sum(SETS.values())
    assert words("heldout") - words("clips") == set()


def test_the_clips_are_small() -> None:
    """Both sets together take less than 3 MB of the repository."""
    assert sum(path.stat().st_size for name in SETS for path in (DIALECT / name).iterdir()) < MAX_BYTES


def test_the_script_still_writes_these_sentences(script: ModuleType) -> None:
    """What ``make_clips.py`` would speak is what the tables hold, in their order."""
    trained, heldout = script.sentences()
    assert trained == [row["transcription"] for row in rows("clips")]
    assert heldout == [row["transcription"] for row in rows("heldout")]


def test_without_espeak_the_script_says_so(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit is 1 with one line that says what to install, and nothing is written."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert script.main([str(tmp_path / "set")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "espeak-ng" in error and "apt install" in error
    assert not (tmp_path / "set").exists()


def test_the_script_writes_clips_with_whatever_speaks(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A voice at 22.05 kHz becomes 16 kHz Ogg clips of the same length beside their table; no wave file stays."""
    voice = tmp_path / "bin" / "espeak-ng"
    voice.parent.mkdir()
    soundfile.write(tmp_path / "spoken.wav", [0.1, -0.1] * 11_025, 22_050)
    voice.write_text(f'#!/bin/sh\nwhile [ "$1" != -w ]; do shift; done\n/bin/cp {tmp_path}/spoken.wav "$2"\n')
    voice.chmod(0o755)
    monkeypatch.setenv("PATH", str(voice.parent))
    monkeypatch.setattr(script, "sentences", lambda: (["One.", "Two."], ["Three, four."]))

    assert script.main([str(tmp_path / "set")]) == 0
    assert {path.relative_to(tmp_path / "set").as_posix() for path in (tmp_path / "set").rglob("*.*")} == {
        *("clips/000.ogg", "clips/001.ogg", "clips/metadata.csv"),
        *("heldout/000.ogg", "heldout/metadata.csv"),
    }
    clip = soundfile.info(tmp_path / "set/clips/001.ogg")
    assert (clip.samplerate, clip.channels) == (16_000, 1) and clip.duration == pytest.approx(1.0, abs=0.05)
    assert (tmp_path / "set/heldout/metadata.csv").read_text() == 'file_name,transcription\n000.ogg,"Three, four."\n'


def test_the_job_names_folders_that_are_here() -> None:
    """The job trains on the clips, measures on the held-out ones, and speaks of the language that they are in."""
    job = json.loads((DIALECT / "job.json").read_text(encoding="utf-8"))
    root = DIALECT.parents[1]
    assert (root / job["data"]["uri"]).resolve() == DIALECT / "clips"
    assert (root / job["evaluation"]["uri"]).resolve() == DIALECT / "heldout"
    assert job["options"]["language"] == "en"
