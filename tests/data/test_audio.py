"""Recordings of every kind become 16 kHz mono, whatever their headers say; the others have one reason each."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraruner.data import audio as audio_module
from loraruner.data.audio import Audio, decode, load_audio, read_recording
from loraruner.data.lines import BadValue
from loraruner.errors import DataInvalid, InputMissing
from tests.support.recordings import burst, save

LOSSLESS = (".wav", ".flac")


def tone(seconds: float, rate: int, frequency: float = 440.0) -> Audio:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def frequency_of(audio: Audio) -> float:
    """The loudest frequency in Hz of audio at 16 kHz."""
    return float(np.abs(np.fft.rfft(audio * np.hanning(len(audio)))).argmax() * 16_000 / len(audio))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize("rate, channels", [(16_000, 1), (48_000, 2)])
def test_every_format(suffix: str, rate: int, channels: int, tmp_path: Path) -> None:
    """WAV, FLAC, Ogg Vorbis, Ogg Opus and MP3 give the tone at its pitch, loudness and length."""
    sound = np.stack([tone(0.5, rate)] * channels, axis=1)
    found = decode(save(tmp_path / f"a{suffix}", sound, rate))
    assert (found.dtype, found.ndim) == (np.dtype(np.float32), 1)
    assert len(found) == pytest.approx(8000, abs=0 if suffix in LOSSLESS else 20)
    assert frequency_of(found) == pytest.approx(440, abs=2)
    assert found[1000:7000].std() == pytest.approx(0.5 / np.sqrt(2), rel=0.03)


@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 22_050, 44_100, 96_000, 384_000])
def test_sample_rates(rate: int, tmp_path: Path) -> None:
    """From 4 to 384 kHz the length in seconds and the pitch stay."""
    found = decode(save(tmp_path / "a.flac" if rate < 384_000 else tmp_path / "a.wav", tone(0.5, rate), rate))
    assert len(found) == pytest.approx(8000, abs=1)
    assert frequency_of(found) == pytest.approx(440, abs=2)


def test_16_khz_stays_as_it_is(tmp_path: Path) -> None:
    """A 16 kHz file is not touched: sample for sample what its 16 bits say."""
    samples = (burst(0.3) * 32_768).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    assert np.array_equal(decode(tmp_path / "a.wav"), samples / 32_768)


def test_channels_are_averaged(tmp_path: Path) -> None:
    """Left alone at 0.4 and right silent give 0.2."""
    sound = np.stack([np.full(3200, 0.4), np.zeros(3200)], axis=1).astype(np.float32)
    assert decode(save(tmp_path / "a.wav", sound, subtype="FLOAT")) == pytest.approx(0.2)


def test_resampling_does_not_fold(tmp_path: Path) -> None:
    """A tone above 8 kHz vanishes; without a filter it would come back below."""
    found = decode(save(tmp_path / "a.wav", tone(0.5, 48_000, 12_000), 48_000))
    assert np.abs(found[500:-500]).max() < 1e-4


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
def test_blocks_leave_no_trace(suffix: str, tmp_path: Path) -> None:
    """Read in blocks of 777 or of 65,536 frames, the result is the same bit for bit."""
    loud = np.clip(burst(0.8, 48_000) * 8, -1, 1)
    path = save(tmp_path / f"a{suffix}", np.stack([loud, loud / 2], axis=1), 48_000)
    large, small = read_recording(path), read_recording(path, block_frames=777)
    assert large.audio.tobytes() == small.audio.tobytes()
    assert large.clipped == small.clipped


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM"])
def test_kinds_of_wav(subtype: str, tmp_path: Path) -> None:
    """8 and 24 bits, floats, mu-law and ADPCM decode to the same sound within their precision."""
    found = decode(save(tmp_path / "a.wav", tone(0.2, 16_000), subtype=subtype))
    assert found[100:3000] == pytest.approx(tone(0.2, 16_000)[100:3000], abs=0.03)


def test_content_counts_not_the_suffix(tmp_path: Path) -> None:
    """A FLAC named .wav, or with no suffix, decodes."""
    plain = save(tmp_path / "a.flac", tone(0.2, 16_000))
    for name in ("a.wav", "a.raw", "a", "caf\u00e9 \U0001f3a4\n.mp3"):
        assert len(decode(plain.rename(plain.with_name(name)))) == 3200
        plain = plain.with_name(name)


def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    """A name that is no UTF-8 can be opened."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    save(tmp_path / "a.wav", tone(0.2, 16_000)).rename(path)
    assert len(decode(path)) == 3200


@pytest.mark.parametrize(
    "runs, clipped",
    [
        ([1] * 400, 0.0),
        ([2] * 200, 0.0),
        ([3] * 100, 300 / 16_000),
        ([50, 3, 2, 100], 153 / 16_000),
    ],
)
def test_clipped_share(runs: list[int], clipped: float, tmp_path: Path) -> None:
    """Samples at full scale count in runs of three and more; lone peaks, which any loud clip has, do not."""
    sound = np.zeros(16_000, np.float32)
    place = 5
    for run in runs:
        sound[place : place + run] = 1.0
        place += run + 10
    worse = np.stack([sound / 2, sound], axis=1)
    assert read_recording(save(tmp_path / "a.wav", worse)).clipped == pytest.approx(clipped)
    assert read_recording(save(tmp_path / "a.wav", worse), block_frames=7).clipped == pytest.approx(clipped)


def broken(path: Path, kind: str) -> Path:
    """A file that cannot be used."""
    contents = {
        "text": b"this is no recording, but a text of some length\n" * 3,
        "empty": b"",
        "one byte": b"\xff",
        "m4a": b"\x00\x00\x00\x1cftypM4A \x00\x00\x02\x00" + bytes(400),
        "aac": b"\xff\xf1\x50\x80\x25\xdf\xfc" + bytes(400),
        "aiff": b"FORM\x00\x00\x01\x00AIFFCOMM" + bytes(400),
        "mp3 of zeros": b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(4000),
        "flac of zeros": b"fLaC" + bytes(400),
    }
    path.write_bytes(contents[kind])
    return path


@pytest.mark.parametrize(
    "kind, reason",
    [
        ("text", "is no WAV, FLAC, Ogg or MP3: convert it"),
        ("empty", "is empty: 0 bytes"),
        ("one byte", "is no WAV, FLAC, Ogg or MP3"),
        ("m4a", "is no WAV, FLAC, Ogg or MP3"),
        ("aac", "is no WAV, FLAC, Ogg or MP3"),
        ("aiff", "is no WAV, FLAC, Ogg or MP3"),
        ("mp3 of zeros", "does not decode .*: copy or convert it again"),
        ("flac of zeros", "does not decode .*: copy or convert it again"),
    ],
)
def test_files_that_are_no_recordings(kind: str, reason: str, tmp_path: Path) -> None:
    """Texts, empty files, other formats and mere headers have one reason, on one line, without the path."""
    with pytest.raises(BadValue, match=reason) as caught:
        decode(broken(tmp_path / "a.wav", kind))
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_sample_at_all(tmp_path: Path) -> None:
    """A whole file without a sample is named as such."""
    with pytest.raises(BadValue, match="holds no sound: not a single sample"):
        decode(save(tmp_path / "a.wav", np.zeros(0, np.float32)))


@pytest.mark.parametrize(
    "sound, rate, reason",
    [
        (np.array([0, np.nan, 0]), 16_000, "holds samples that are no numbers"),
        (np.array([0, np.inf, 0]), 16_000, "holds samples that are no numbers"),
        (np.array([0, 20_000.0, 0]), 16_000, "samples up to 20,000 where full scale is 1: convert it to 16 bit"),
        (np.zeros(100), 3_999, "sample rate of 3,999 Hz, not 4,000 to 384,000"),
        (np.zeros(100), 400_000, "sample rate of 400,000 Hz"),
        (np.zeros((100, 9)), 16_000, "has 9 channels, more than 8: mix it down"),
    ],
)
def test_sound_that_makes_no_sense(sound: Audio, rate: int, reason: str, tmp_path: Path) -> None:
    """Samples that are no numbers or far beyond full scale, odd sample rates, too many channels are refused."""
    with pytest.raises(BadValue, match=reason):
        decode(save(tmp_path / "a.wav", sound, rate, subtype="FLOAT"))


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording above the longest length stops there, one above the largest size is not opened."""
    path = save(tmp_path / "a.wav", burst(1.5))
    monkeypatch.setattr(audio_module, "MAX_AUDIO_S", 1)
    with pytest.raises(BadValue, match=r"is longer than .* minutes: cut it into several recordings"):
        decode(path)
    monkeypatch.setattr(audio_module, "MAX_FILE_BYTES", 1000)
    with pytest.raises(BadValue, match="is larger than 1,000 bytes"):
        decode(path)


def test_an_hour_is_the_limit() -> None:
    """The limits of the documentation."""
    assert (audio_module.MAX_AUDIO_S, audio_module.MAX_FILE_BYTES) == (3600, 2 << 30)


def test_no_file(tmp_path: Path) -> None:
    """A folder, a pipe without a writer and a missing file are refused at once."""
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    for name in ("pipe.wav", "folder.wav"):
        with pytest.raises(BadValue, match="is no file"):
            decode(tmp_path / name)
    with pytest.raises(BadValue, match=r"cannot be opened \(No such file"):
        decode(tmp_path / "gone.wav")


def test_load_audio_names_the_file(tmp_path: Path) -> None:
    """For whoever names one file: missing is 66, unusable is 65, both with the path."""
    with pytest.raises(InputMissing, match=r"gone\.wav: no such file"):
        load_audio(tmp_path / "gone.wav")
    with pytest.raises(DataInvalid, match=r"a\.wav: is no WAV"):
        load_audio(broken(tmp_path / "a.wav", "text"))
    assert len(load_audio(save(tmp_path / "b.wav", burst(0.2)))) == 3200


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """One small file of every kind that hostile ones begin as."""
    folder = tmp_path_factory.mktemp("originals")
    return [
        save(folder / name, burst(0.2), subtype=subtype).read_bytes()
        for name, subtype in [
            ("a.wav", "PCM_16"), ("b.wav", "FLOAT"), ("c.wav", "MS_ADPCM"), ("d.flac", None), ("e.ogg", None),
            ("f.opus", None), ("g.mp3", None),
        ]
    ]  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 6),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=6), st.integers(0, 30)), max_size=5),
)
def test_any_bytes(which: int, changes: list[tuple[int, bytes, int]], originals: list[bytes], tmp_path: Path) -> None:
    """Whatever is changed in a file: audio of finite samples, or BadValue."""
    content = originals[which]
    for place, new, num_removed in changes:
        at = place % len(content) if content else 0
        content = content[:at] + new + content[at + num_removed :]
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    try:
        found = decode(path)
    except BadValue as fault:
        assert str(fault)
    else:
        assert len(found) and np.isfinite(found).all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.sampled_from(
        [b"", b"RIFF\x00\x00\x00\x00WAVE", b"RF64\xff\xff\xff\xffWAVE", b"fLaC", b"OggS", b"ID3", b"\xff\xfb"]
    ),
    rest=st.binary(max_size=300),
)
def test_random_bytes(head: bytes, rest: bytes, tmp_path: Path) -> None:
    """Random bytes, plain or behind a known beginning, never raise anything but BadValue."""
    path = tmp_path / "a.bin"
    path.write_bytes(head + rest)
    try:
        assert np.isfinite(decode(path)).all()
    except BadValue as fault:
        assert str(fault)
