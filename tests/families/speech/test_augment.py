"""SpecAugment masks what it may, the same for the same draw."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from loraruner.families.speech.augment import spec_augment
from tests.support.tiny_speech import DRAW

NUM_DRAWS = 60


def log_mel(num_mel: int, num_heard: int) -> Tensor:
    """A mel (num_mel, 3000) of noise in its first frames and the quietest value after them."""
    mel = torch.full((num_mel, 3000), -0.5)
    mel[:, :num_heard] = torch.rand(num_mel, num_heard, generator=torch.Generator().manual_seed(0))
    return mel


def test_it_is_a_function_of_draw_and_piece() -> None:
    """The same draw and id give the same masks, another step, epoch or id others; the input stays as it is."""
    mel = log_mel(80, 300)
    kept = mel.clone()
    masked = spec_augment(mel, DRAW, "a.wav")
    assert torch.equal(mel, kept) and not torch.equal(masked, mel)
    torch.manual_seed(7)
    assert torch.equal(spec_augment(mel, DRAW, "a.wav"), masked)
    others = [(replace(DRAW, step=1), "a.wav"), (replace(DRAW, epoch=1), "a.wav"), (DRAW, "b.wav")]
    assert not any(torch.equal(spec_augment(mel, *other), masked) for other in others)


@pytest.mark.parametrize(("num_mel", "widest"), [(80, 27), (128, 43)])
@pytest.mark.parametrize(("num_heard", "longest"), [(7, 1), (250, 50), (3000, 100)])
def test_masks_have_the_papers_size(num_mel: int, widest: int, num_heard: int, longest: int) -> None:
    """Two bands and two stretches of at most these sizes, set to the mean of the sound; the padding is untouched."""
    mel = log_mel(num_mel, num_heard)
    mean = mel[:, :num_heard].mean()
    bands, stretches = [], []
    for step in range(NUM_DRAWS):
        changed = spec_augment(mel, replace(DRAW, step=step), "a.wav")
        masked = changed != mel
        assert torch.all(changed[masked] == mean)
        assert not masked[:, num_heard:].any()
        bands.append(int(masked[:, :num_heard].all(1).sum()))
        stretches.append(int(masked.all(0).sum()))
    assert widest < max(bands) <= 2 * widest
    assert longest / 2 < max(stretches) <= 2 * longest
    assert min(bands) < widest / 2 and min(stretches) < longest


def test_silence_stays_silence() -> None:
    """A mel that is equal everywhere comes back as it is."""
    mel = torch.full((80, 3000), -0.5)
    assert torch.equal(spec_augment(mel, DRAW, "a.wav"), mel)
