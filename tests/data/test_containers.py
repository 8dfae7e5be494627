"""Files whose end is missing are told from whole ones, which may come from a pipe and announce nonsense."""

import os
from pathlib import Path

import numpy as np
import pytest

from loraruner.data.audio import decode
from loraruner.data.containers import require_whole
from loraruner.data.lines import BadValue
from tests.support.recordings import burst, save


def whole(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        require_whole(descriptor, path.stat().st_size)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_cut_off(suffix: str, kept: float, tmp_path: Path) -> None:
    """A copy that broke off in the middle is refused in every format, never used with its whole transcript."""
    path = save(tmp_path / f"a{suffix}", burst(4.0))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(BadValue, match=r"is cut off|does not decode"):
        decode(path)


@pytest.mark.parametrize("cut", [12, 20, 40, 44])
def test_wav_cut_in_its_header(cut: int, tmp_path: Path) -> None:
    """Even of a header alone one learns that the rest is missing."""
    path = save(tmp_path / "a.wav", burst(0.2))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadValue, match="is cut off"):
        whole(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF])
def test_wav_from_a_pipe(size: int, tmp_path: Path) -> None:
    """Programs that write a WAV to a pipe announce a placeholder; what is there is the recording."""
    path = save(tmp_path / "a.wav", burst(0.2))
    content = bytearray(path.read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(decode(path)) == 3200


def test_wav_with_further_chunks(tmp_path: Path) -> None:
    """Chunks of odd length before the sound are stepped over with their padding."""
    path = save(tmp_path / "a.wav", burst(0.2))
    content = path.read_bytes()
    more = b"note\x05\x00\x00\x00hello\x00"
    size = int.from_bytes(content[4:8], "little") + len(more)
    path.write_bytes(content[:4] + size.to_bytes(4, "little") + content[8:36] + more + content[36:])
    assert len(decode(path)) == 3200
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadValue, match="6,400 bytes of sound announced, 6,300 there"):
        whole(path)


def test_wav_that_counts_its_header_as_sound(tmp_path: Path) -> None:
    """A size that is 44 bytes too large is a writer's mistake, not a missing end."""
    path = save(tmp_path / "a.wav", burst(0.2))
    content = bytearray(path.read_bytes())
    content[40:44] = (6400 + 44).to_bytes(4, "little")
    path.write_bytes(content)
    assert len(decode(path)) == 3200


def xing(content: bytes | bytearray) -> int:
    """Where the frame count of an MP3 stands."""
    return max(content.find(b"Xing"), content.find(b"Info")) + 8


@pytest.mark.parametrize("frames", [100, 1_000_000, 0xFFFFFFFF])
def test_mp3_that_lies_about_its_length(frames: int, tmp_path: Path) -> None:
    """An MP3 that announces four seconds, nine hours or years gives the two seconds that it holds."""
    path = save(tmp_path / "a.mp3", burst(2.0))
    content = bytearray(path.read_bytes())
    content[xing(content) : xing(content) + 4] = frames.to_bytes(4, "big")
    path.write_bytes(content)
    assert len(decode(path)) == pytest.approx(32_000, abs=1200)  # the decoder's own delay is no longer known


def test_mp3_without_a_count(tmp_path: Path) -> None:
    """An MP3 whose first frame announces nothing has no end to miss: it decodes as far as it goes."""
    path = save(tmp_path / "a.mp3", burst(2.0))
    content = bytearray(path.read_bytes())
    content[xing(content) - 8 : xing(content) - 4] = bytes(4)
    path.write_bytes(content[: len(content) // 2])
    assert 10_000 < len(decode(path)) < 24_000


def test_mp3_behind_a_tag(tmp_path: Path) -> None:
    """The tag of a player before the sound counts neither as sound nor against it."""
    path = save(tmp_path / "a.mp3", burst(1.0))
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 0x17, 0x70]) + b"TIT2" + bytes(3052 - 4 + 12)
    tag = tag[: 10 + (0x17 << 7 | 0x70)].ljust(10 + (0x17 << 7 | 0x70), b"\0")
    content = path.read_bytes()
    path.write_bytes(tag + content)
    assert len(decode(path)) == pytest.approx(16_000, abs=20)
    path.write_bytes(tag + content[: len(content) // 2])
    with pytest.raises(BadValue, match="bytes of sound announced"):
        whole(path)


def test_ogg_without_a_mark_of_its_end(tmp_path: Path) -> None:
    """A recorder that was switched off leaves whole pages and no end mark: they are used."""
    path = save(tmp_path / "a.opus", burst(4.0))
    content = path.read_bytes()
    path.write_bytes(content[: content.rfind(b"OggS")])
    found = decode(path)
    assert 16_000 < len(found) < 64_000
    assert np.abs(found).max() > 0.05


def test_flac_that_stops_between_frames(tmp_path: Path) -> None:
    """FLAC that ends cleanly but early is measured against its own count."""
    path = save(tmp_path / "a.flac", burst(1.0))
    content = bytearray(path.read_bytes())
    total = int.from_bytes(content[18:26], "big")  # STREAMINFO: the low 36 bits are the number of samples
    content[18:26] = (total + 5_000).to_bytes(8, "big")
    path.write_bytes(content)
    with pytest.raises(BadValue, match="21,000 samples announced, 16,000 there"):
        decode(path)
