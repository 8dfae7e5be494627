"""Clips in a folder: which are used, with which transcript, how long ones are cut, and why others are not."""

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from loraruner.data.clips import open_clip, scan_clips
from loraruner.data.samples import Clip, Scan, require_usable
from loraruner.errors import DataInvalid, InputMissing
from tests.support.recordings import burst, save, speech


def spoken(path: Path, transcript: str = "ahoy there", seconds: float = 0.3) -> Path:
    save(path, burst(seconds))
    path.with_suffix(".txt").write_text(transcript)
    return path


def scan(folder: Path, metadata: str | None = None, max_clip_s: float = 30.0, *, split: bool = True) -> Scan[Clip]:
    return scan_clips(folder, metadata=metadata, max_clip_s=max_clip_s, split=split)


def reasons(found: Scan[Clip]) -> dict[str, str]:
    return {bad.name: bad.reason for bad in found.skipped}


def test_every_kind_in_order_of_path(tmp_path: Path) -> None:
    """All formats in any case and depth are found, sorted by path, with digest and one piece each."""
    names = ["b/x.WAV", "a.flac", "c.ogg", "b/a.opus", "d.mp3"]
    for name in names:
        spoken(tmp_path / name.lower(), f"words of {name}")
    (tmp_path / "b/x.wav").rename(tmp_path / "b/x.WAV")
    found = scan(tmp_path)
    assert [(clip.id, clip.transcript) for clip in found.samples] == [
        (name, f"words of {name}") for name in sorted(names)
    ]
    assert all(clip.sha256 == hashlib.sha256(clip.path.read_bytes()).hexdigest() for clip in found.samples)
    assert found.samples[0].pieces == ((0, 4800),)
    assert found.skipped == ()


def test_stereo_mp3_at_44_khz(tmp_path: Path) -> None:
    """What a phone records is a clip as well, of the same length at 16 kHz."""
    sound = burst(0.5, 44_100)
    save(tmp_path / "a.mp3", np.stack([sound, sound / 2], axis=1), 44_100)
    (tmp_path / "a.txt").write_text("ahoy")
    (clip,) = scan(tmp_path).samples
    assert clip.pieces[0][1] == pytest.approx(8000, abs=20)


def test_where_transcripts_come_from(tmp_path: Path) -> None:
    """Metadata first, then a .txt; white space becomes single spaces; empty is as none."""
    for name in ("1.wav", "2.wav", "3.wav", "4.wav"):
        save(tmp_path / name, burst(0.2))
    (tmp_path / "metadata.csv").write_text("audio,sentence\n1.wav,from csv\n4.wav,\n")
    (tmp_path / "1.txt").write_text("from txt")
    (tmp_path / "2.txt").write_bytes(b"\xef\xbb\xbf from\r\n  txt \r\n")
    (tmp_path / "3.txt").write_text(" \n")
    found = scan(tmp_path)
    assert [clip.transcript for clip in found.samples] == ["from csv", "from txt"]
    assert reasons(found) == {
        "3.wav": "its transcript 3.txt is empty",
        "4.wav": "no transcript: add it to metadata.csv or a .txt beside",
    }


def test_language_and_task(tmp_path: Path) -> None:
    """A row may name its own; one that makes no sense costs the clip, once."""
    rows = [
        ("a", "de", "transcribe"),
        ("b", "EN", "Translate"),
        ("c", "", ""),
        ("d", "German", ""),
        ("e", "de", "sing"),
    ]
    for name, _, _ in rows:
        save(tmp_path / f"{name}.wav", burst(0.2))
    lines = [{"file": f"{name}.wav", "text": "x", "language": language, "task": task} for name, language, task in rows]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = scan(tmp_path, "rows.jsonl")
    assert [(clip.language, clip.whisper_task) for clip in found.samples] == [
        ("de", "transcribe"),
        ("en", "translate"),
        (None, None),
    ]
    assert reasons(found) == {
        "d.wav": "its language 'german' in rows.jsonl is no code such as 'en'",
        "e.wav": "its task 'sing' in rows.jsonl is none of transcribe, translate",
    }


def test_metadata_and_disk_disagree(tmp_path: Path) -> None:
    """A row without its file, a row twice, and a file of another kind are each named."""
    spoken(tmp_path / "a.wav")
    (tmp_path / "notes.pdf").write_text("x")
    (tmp_path / "metadata.csv").write_text("a.wav,one\ngone.wav,two\na.wav,three\nnotes.pdf,four\n")
    found = scan(tmp_path)
    assert [clip.transcript for clip in found.samples] == ["one"]
    assert reasons(found)["gone.wav"] == "listed in metadata.csv but not there"
    assert "listed twice" in reasons(found)["metadata.csv:3"]
    assert reasons(found)["notes.pdf"] == "listed in metadata.csv but is none of .wav, .flac, .ogg, .oga, .opus, .mp3"


def test_bad_clips(tmp_path: Path) -> None:
    """Silent, clipped, short, empty, cut and foreign clips are skipped, each with its reason and without a path."""
    for name in ("silent", "offset", "clipped", "short", "none"):
        spoken(tmp_path / f"{name}.wav")
    save(tmp_path / "silent.wav", burst(0.3, level=0.0002))
    save(tmp_path / "offset.wav", np.full(4800, 0.5, np.float32))
    save(tmp_path / "clipped.wav", np.clip(burst(0.3) * 30, -1, 1))
    save(tmp_path / "short.wav", burst(0.09))
    save(tmp_path / "none.wav", np.zeros(0, np.float32))
    whole = spoken(tmp_path / "cut.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[:-2000])
    spoken(tmp_path / "text.wav").write_text("not a sound")
    for name in ("zero.wav", "foreign.m4a"):
        (tmp_path / name).write_bytes(b"")
        (tmp_path / name).with_suffix(".txt").write_text("x")
    spoken(tmp_path / "good.wav")
    found = scan(tmp_path)
    assert [clip.id for clip in found.samples] == ["good.wav"]
    told = reasons(found)
    assert told["silent.wav"].startswith("is silent: its loudest 20 ms are at -7")
    assert told["offset.wav"] == "is silent: its loudest 20 ms are at -120 dB, below -60"
    assert told["clipped.wav"].startswith("is clipped: ")
    assert told["clipped.wav"].endswith("at full scale, more than 1%; record it at a lower level")
    assert told["short.wav"] == "is shorter than 0.1 s: 0.090 s"
    assert told["none.wav"] == "holds no sound: not a single sample"
    assert told["zero.wav"] == "is empty: 0 bytes"
    assert told["cut.wav"].startswith("is cut off (9,600 bytes of sound announced, 7,600 there)")
    assert told["text.wav"].startswith("is no WAV, FLAC, Ogg or MP3")
    assert told["foreign.m4a"] == ".m4a recordings are not read: convert it to WAV or FLAC"
    assert not any(str(tmp_path) in reason for reason in told.values())
    with pytest.raises(DataInvalid, match="9 of 10 samples are bad"):
        require_usable(found, 0.5, "data")


def test_loud_but_not_clipped(tmp_path: Path) -> None:
    """A clip that touches full scale at its peaks is used."""
    spoken(tmp_path / "a.wav")
    sound = burst(1.0)
    save(tmp_path / "a.wav", sound / np.abs(sound).max())
    assert len(scan(tmp_path).samples) == 1


def test_long_clips_are_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A clip longer than the model hears gets several pieces; one log line says how many, one how long all are."""
    spoken(tmp_path / "a.wav", seconds=1.5)
    save(tmp_path / "long.wav", speech([1.0, 0.4, 1.0, 0.4, 1.7]))
    (tmp_path / "long.txt").write_text("one two three")
    with caplog.at_level(logging.INFO, "loraruner.data.clips"):
        short, long = scan(tmp_path, max_clip_s=2.0).samples
    assert short.pieces == ((0, 24_000),)
    assert [pytest.approx(piece, abs=500) for piece in long.pieces] == [(0, 19_200), (19_200, 41_600), (41_600, 72_000)]
    assert caplog.messages == ["clips: 2, 0.1 minutes in all", "long clips cut at silences: 1, into 3 pieces"]


def test_long_clips_are_refused_by_choice(tmp_path: Path) -> None:
    """Without splitting a long clip is skipped; the reason names the option."""
    spoken(tmp_path / "a.wav", seconds=2.0)
    save(tmp_path / "long.wav", speech([1.0, 0.4, 1.0]))
    (tmp_path / "long.txt").write_text("one two three")
    found = scan(tmp_path, max_clip_s=2.0, split=False)
    assert [clip.id for clip in found.samples] == ["a.wav"]
    assert reasons(found) == {
        "long.wav": "is 2.4 s long, more than 2 s are heard at once: cut it, or set $.options.long_clips to split"
    }


def test_long_clip_without_a_pause(tmp_path: Path) -> None:
    """Where there is nothing to cut at the clip is skipped with the place."""
    spoken(tmp_path / "a.wav", seconds=3.0)
    assert reasons(scan(tmp_path, max_clip_s=2.0))["a.wav"].startswith(
        "has no silence to cut at between 0.0 s and 2.0 s, and at most 2 s are heard at once: cut it by hand"
    )


def test_links_pipes_and_hidden_files(tmp_path: Path) -> None:
    """Links and pipes are refused by name, never opened; hidden files are ignored."""
    data = tmp_path / "data"
    spoken(data / "a.wav")
    spoken(data / ".hidden.wav")
    spoken(tmp_path / "outside" / "secret.wav")
    (data / "link.wav").symlink_to(tmp_path / "outside" / "secret.wav")
    os.mkfifo(data / "pipe.wav")
    found = scan(data)
    assert [clip.id for clip in found.samples] == ["a.wav"]
    assert reasons(found) == {"link.wav": "is a link: put the file itself there", "pipe.wav": "is not a regular file"}


@pytest.mark.parametrize(
    "name",
    ["caf\u00e9 \u2014 \U0001f3a4.wav", "cafe\u0301.wav", "a\nb.wav", "-o.wav", "a,b.wav", "x.wav.wav", "..a.wav"[1:]],
)
def test_hostile_names(name: str, tmp_path: Path) -> None:
    """Emoji, line feeds, dashes, commas, either form of accents: the row finds its file, unless that is hidden."""
    save(tmp_path / name, burst(0.2))
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"audio": name, "text": "ahoy"}))
    assert [clip.id for clip in scan(tmp_path).samples] == ([] if name.startswith(".") else [name])


def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    """A clip whose name is no UTF-8 is skipped under a name that can be printed."""
    save(tmp_path / "a.wav", burst(0.2)).rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    (bad,) = scan(tmp_path).skipped
    assert "rename" in bad.reason
    assert bad.name.encode()


@pytest.mark.parametrize("name", ["rows.jsonl", "ROWS.CSV"])
def test_a_metadata_file_in_place_of_the_folder(name: str, tmp_path: Path) -> None:
    """It lists clips and holds none: the message says where each of the two belongs."""
    (tmp_path / name).write_text("x")
    with pytest.raises(DataInvalid, match=r"name its folder in \$\.data\.uri and the file in \$\.data\.metadata"):
        scan(tmp_path / name)


def test_what_is_no_folder(tmp_path: Path) -> None:
    """A single recording is 65 and asks for a folder of clips, nothing at all is 66."""
    with pytest.raises(DataInvalid, match=r"a\.wav: this is a file; \$\.data\.uri must name a folder of clips"):
        scan(spoken(tmp_path / "a.wav"))
    with pytest.raises(InputMissing, match="no such folder"):
        scan(tmp_path / "gone")


def test_memory_is_that_of_one_clip(tmp_path: Path) -> None:
    """Eight clips of four minutes (15 MB each) leave no more behind than two do."""
    save(tmp_path / "0.flac", np.tile(speech([4.0, 1.0]), 48))
    (tmp_path / "0.txt").write_text("ahoy")
    program = (
        "import resource, shutil, sys; from pathlib import Path; from loraruner.data.clips import scan_clips\n"
        "folder = Path(sys.argv[1])\n"
        "def peak_kib(count):\n"
        "    for i in range(count):\n"
        "        shutil.copy(folder / '0.flac', folder / f'{i}a.flac'); (folder / f'{i}a.txt').write_text('x')\n"
        "    found = scan_clips(folder, metadata=None, max_clip_s=30, split=True)\n"
        "    assert len(found.samples) == count + 1 and len(found.samples[0].pieces) >= 8, found\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "first = peak_kib(1); print(peak_kib(7) - first)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert int(done.stdout) < 20_000


def test_open_clip(tmp_path: Path) -> None:
    """One file for use: its audio and the spans to hear; what cannot be heard is 65 or 66 with the path."""
    audio, spans = open_clip(save(tmp_path / "a.wav", speech([1.0, 0.4, 1.0])), max_clip_s=2.0)
    assert len(audio) == 38_400
    assert [span[1] - span[0] for span in spans] == [pytest.approx(19_200, abs=500)] * 2
    assert open_clip(tmp_path / "a.wav", max_clip_s=30.0)[1] == ((0, 38_400),)
    with pytest.raises(InputMissing, match=r"gone\.wav: no such file"):
        open_clip(tmp_path / "gone.wav", max_clip_s=30.0)
    save(tmp_path / "silent.wav", np.zeros(8000, np.float32))
    save(tmp_path / "noise.wav", burst(3.0))
    for name, reason in {"silent": "is silent", "noise": "has no silence to cut at"}.items():
        with pytest.raises(DataInvalid, match=rf"{name}\.wav: {reason}"):
            open_clip(tmp_path / f"{name}.wav", max_clip_s=2.0)
