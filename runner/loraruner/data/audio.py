"""Recordings as Whisper hears them: mono, 16 kHz, float32. Decoded by libsndfile, resampled by soxr, in blocks.

Neither the blocks nor what a header announces have any say in the result: what comes out is measured.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loraruner.data.containers import require_whole
from loraruner.data.lines import BadValue
from loraruner.errors import DataInvalid, InputMissing

if TYPE_CHECKING:
    import soundfile

Audio = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
MAX_FILE_BYTES = 2 << 30
MAX_AUDIO_S = 3600
MIN_RATE, MAX_RATE = 4_000, 384_000
MAX_CHANNELS = 8
MAX_PEAK = 16.0  # of full scale; only float WAVs can exceed 1 by more than a codec's overshoot
FULL_SCALE = 0.99
BLOCK_FRAMES = 1 << 16


@dataclass(frozen=True)
class Recording:
    """``audio`` (samples,) and the share of samples, in the worst channel of the file, that are clipped.

    Clipped: three or more in a row at FULL_SCALE or beyond, counted before channels are mixed and resampled.
    """

    audio: Audio
    clipped: float


def decode(path: Path) -> Audio:
    """The audio (samples,) of a file, float32 at 16 kHz, channels averaged; raises what ``read_recording`` raises."""
    return read_recording(path).audio


def load_audio(path: Path) -> Audio:
    """As ``decode``; InputMissing (66) when the file is not there, DataInvalid (65) when it cannot be used."""
    if not path.exists():
        raise InputMissing(f"{path}: no such file; correct the path")
    try:
        return decode(path)
    except BadValue as fault:
        raise DataInvalid(f"{path}: {fault}") from fault


def read_recording(path: Path, *, block_frames: int = BLOCK_FRAMES) -> Recording:
    """Decode a WAV, FLAC, Ogg (Vorbis, Opus) or MP3, whatever its suffix; memory is that of the result.

    BadValue with the reason: no such file, not whole, more than MAX_FILE_BYTES, MAX_AUDIO_S or MAX_CHANNELS, a sample
    rate outside MIN_RATE to MAX_RATE, samples that are no numbers, no sample at all.
    """
    with _opened(path) as sound:
        resampler = _Resampler(sound.samplerate)
        clipping = _Clipping(sound.channels)
        parts: list[Audio] = []
        num_frames = num_samples = 0
        for block in _blocks(sound, block_frames):
            num_frames += len(block)
            clipping.add(block)
            parts.append(resampler.add(block.mean(axis=1)))
            num_samples += len(parts[-1])
            if num_samples > MAX_AUDIO_S * SAMPLE_RATE:
                raise BadValue(f"is longer than {MAX_AUDIO_S // 60} minutes: cut it into several recordings")
        if sound.format == "FLAC" and num_frames < sound.frames < np.iinfo(np.int64).max:
            raise BadValue(f"is cut off ({sound.frames:,} samples announced, {num_frames:,} there): copy it again")
    audio = np.concatenate([*parts, resampler.rest()])
    if not len(audio):
        raise BadValue("holds no sound: not a single sample")
    return Recording(audio, clipping.share(num_frames))


@contextmanager
def _opened(path: Path) -> Iterator["soundfile.SoundFile"]:
    """The file in libsndfile, once it is known to be whole and of a size that makes sense; faults become BadValue."""
    import soundfile

    class Stream(soundfile.SoundFile):  # type: ignore[misc]  # it has no stubs
        def seekable(self) -> bool:
            """No: ``read`` would otherwise seek after each block, which changes what an MP3's decoder gives."""
            return False

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a pipe must not wait for a writer
    except OSError as error:
        raise BadValue(f"cannot be opened ({error.strerror})") from None
    try:
        _require_file(descriptor)
        with Stream(descriptor, closefd=False) as sound:
            _require_sane(sound)
            yield sound
    except soundfile.LibsndfileError as error:
        raise BadValue(f"does not decode ({_detail(error.error_string)}): copy or convert it again") from None
    finally:
        os.close(descriptor)


def _detail(text: str) -> str:
    if "not a regular file" in text:  # libsndfile's word for an MP3 that mpg123 refuses
        return "no MP3 frame after its header"
    return text.removeprefix("Error : ").rstrip(".")


def _require_file(descriptor: int) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise BadValue("is no file")
    if not status.st_size:
        raise BadValue("is empty: 0 bytes")
    if status.st_size > MAX_FILE_BYTES:
        raise BadValue(f"is larger than {MAX_FILE_BYTES:,} bytes: cut it into several recordings")
    require_whole(descriptor, status.st_size)


def _require_sane(sound: "soundfile.SoundFile") -> None:
    if not MIN_RATE <= sound.samplerate <= MAX_RATE:
        raise BadValue(
            f"has a sample rate of {sound.samplerate:,} Hz, not {MIN_RATE:,} to {MAX_RATE:,}: convert it to 16,000 Hz"
        )
    if sound.channels > MAX_CHANNELS:
        raise BadValue(f"has {sound.channels} channels, more than {MAX_CHANNELS}: mix it down to one")


def _blocks(sound: "soundfile.SoundFile", block_frames: int) -> Iterator[Audio]:
    """Blocks (frames, channels) up to the end; each is overwritten by the next."""
    buffer: Audio = np.empty((block_frames, sound.channels), np.float32)
    while len(block := sound.read(out=buffer)):
        if not np.isfinite(block).all():
            raise BadValue("holds samples that are no numbers: convert it to 16 bit")
        if (peak := np.abs(block).max()) > MAX_PEAK:
            raise BadValue(f"holds samples up to {peak:,.0f} where full scale is 1: convert it to 16 bit")
        yield block


class _Resampler:
    """Mono blocks at ``rate`` to 16 kHz by soxr (HQ); the blocks' borders leave no trace."""

    def __init__(self, rate: int) -> None:
        import soxr

        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def add(self, block: Audio) -> Audio:
        return self._stream.resample_chunk(block) if self._stream else block

    def rest(self) -> Audio:
        """What the filter still holds back."""
        nothing = np.zeros(0, np.float32)
        return self._stream.resample_chunk(nothing, last=True) if self._stream else nothing


class _Clipping:
    """Counts samples in runs of three or more at full scale, across blocks, channel by channel."""

    def __init__(self, channels: int) -> None:
        self._before = np.zeros((3, channels), np.bool_)  # the last rows of the block before
        self._counts = np.zeros(channels, np.int64)

    def add(self, block: Audio) -> None:
        full = np.concatenate([self._before, np.abs(block) >= FULL_SCALE])
        ends = full[3:] & full[2:-1] & full[1:-2]  # a sample with its two before it
        first = ends & ~full[:-3]
        self._counts += ends.sum(axis=0) + 2 * first.sum(axis=0)
        self._before = full[-3:]

    def share(self, num_frames: int) -> float:
        return float(self._counts.max()) / max(num_frames, 1)
