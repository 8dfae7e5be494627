"""Recordings made of noise bursts, which stand for speech, and of pauses."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Audio = npt.NDArray[np.float32]
FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".opus": "OGG", ".mp3": "MP3"}


def burst(seconds: float, rate: int = 16_000, *, level: float = 0.1, seed: int = 0) -> Audio:
    """Noise (samples,), low-passed so that every codec keeps it."""
    num_samples = round(seconds * rate)
    noise = np.random.default_rng(seed).standard_normal(num_samples + 32)
    return (level * np.convolve(noise, np.hanning(32) / 3.4, "valid")[:num_samples]).astype(np.float32)


def speech(pattern: Sequence[float], rate: int = 16_000, *, noise: float = 0.0) -> Audio:
    """Bursts and pauses in turn, of these seconds, a burst first; ``noise`` lies under all of it."""
    parts = [burst(seconds, rate, seed=place) * (place % 2 == 0) for place, seconds in enumerate(pattern)]
    audio = np.concatenate(parts)
    return audio + np.float32(noise) * np.random.default_rng(99).standard_normal(len(audio)).astype(np.float32)


def save(path: Path, audio: npt.NDArray[np.float32], rate: int = 16_000, subtype: str | None = None) -> Path:
    """Write ``audio`` (samples,) or (samples, channels) in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = subtype or ("OPUS" if path.suffix == ".opus" else None)
    soundfile.write(path, audio, rate, format=FORMATS[path.suffix.lower()], subtype=chosen)
    return path
