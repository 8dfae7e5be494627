"""SpecAugment (arXiv 1904.08779): bands of frequency and stretches of time that a training step does not hear.

The paper's policy for LibriSpeech (LD: two masks of each kind, F = 27 of 80 bins, T = 100 frames) with a limit on the
share of time (p = 0.2, the paper's for Switchboard), as clips are shorter here; without time warping, which the paper
found to matter least.
"""

import numpy as np
from torch import Tensor

from loraruner.families.base import Draw
from loraruner.families.draws import generator

NUM_MASKS = 2  # of each kind
BAND_SHARE = 27 / 80  # of the mel bins, the widest band
MAX_FRAMES = 100  # of 10 ms, the longest stretch
TIME_SHARE = 0.2  # of the frames that hold sound, the longest stretch


def spec_augment(mel: Tensor, draw: Draw, item_id: str) -> Tensor:
    """A copy of ``mel`` (num_mel, frames of 10 ms) with masks set to the mean of the part that holds sound.

    A function of its arguments alone. The padding after the sound stays as it is: there is nothing to learn from it.
    """
    numbers = generator(draw, item_id)
    num_mel, num_frames = mel.shape[0], _num_heard(mel)
    masked = mel.clone()
    mean = mel[:, :num_frames].mean()
    for _ in range(NUM_MASKS):
        masked[_span(numbers, round(BAND_SHARE * num_mel), num_mel), :num_frames] = mean
    for _ in range(NUM_MASKS):
        masked[:, _span(numbers, min(MAX_FRAMES, int(TIME_SHARE * num_frames)), num_frames)] = mean
    return masked


def _num_heard(mel: Tensor) -> int:
    """Frames up to the last that is not as quiet as can be; all of them when every one is."""
    loud = (mel > mel.min()).any(0).nonzero()
    return int(loud[-1]) + 1 if len(loud) else mel.shape[1]


def _span(numbers: np.random.Generator, widest: int, length: int) -> slice:
    """A stretch of 0 to ``widest`` places, each as likely, at any place of ``length``."""
    width = int(numbers.integers(0, widest, endpoint=True))
    start = int(numbers.integers(0, length - width, endpoint=True))
    return slice(start, start + width)
