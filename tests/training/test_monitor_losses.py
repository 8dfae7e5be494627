"""Trend and spike of the training loss, over-fitting, and the summary of an epoch, on scripted numbers."""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

import pytest

from loraruner.events import EpochDone
from loraruner.spec import Monitor
from loraruner.training.monitor import epochs, losses, overfitting
from loraruner.training.monitor.state import Watched


def noted(values: Iterable[float], options: Monitor | None = None) -> Watched:
    watched = Watched()
    for value in values:
        losses.note_loss(watched, value, options or Monitor())
    return watched


def first_spike(values: Sequence[float], factor: float = 3.0) -> int | None:
    """The first step, from 1, that is a spike."""
    watched = Watched()
    for step, value in enumerate(values, start=1):
        losses.note_loss(watched, value, Monitor())
        if losses.has_spiked(watched, Monitor(spike_factor=factor)):
            return step
    return None


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([1.0] * 20 + [0.2] * 80 + [5.0] * 30, 108),  # two of the 15 that count make 0.84, three 1.16
        ([1.0] * 20 + [0.2] * 80 + [0.9] * 60, None),  # above its trend, but not above the beginning
        ([1.0] * 100 + [2.5] * 100, None),  # above the beginning, but not three times the trend
        ([1.0] * 20 + [0.2] * 80 + ([1e9] * 5 + [0.2] * 15) * 4, None),  # five odd batches in twenty
        ([0.1] * 20 + [9.0] * 15, None),  # too few steps for a trend
        ([0.0] * 60, None),
    ],
)
def test_spikes(values: list[float], step: int | None) -> None:
    """The mean of 20 losses, without their five highest, against three times the trend and the first 20."""
    assert first_spike(values) == step


@pytest.mark.parametrize(
    "spread",
    [
        lambda chance: chance.lognormvariate(0.0, 1.0),  # a diffusion model's, one sample a step
        lambda chance: chance.lognormvariate(0.0, 1.5),
        lambda chance: chance.choice([0.5] * 9 + [10.0]),  # a tenth of the samples is hard
        lambda chance: chance.expovariate(1.0),
    ],
)
def test_noise_is_no_spike(spread: Callable[[random.Random], float]) -> None:
    """Losses of single samples that spread widely around a level that does not move, thirty times 500 steps."""
    chance = random.Random(0)
    assert [first_spike([spread(chance) for _ in range(500)]) for _ in range(30)] == [None] * 30


@pytest.mark.parametrize("height", [8.0, 50.0])
def test_a_leap_amid_noise_is_a_spike(height: float) -> None:
    """Found within a window, however wide the losses spread."""
    chance = random.Random(0)
    for _ in range(30):
        values = [chance.lognormvariate(0.0, 0.6) * (height if step > 300 else 1.0) for step in range(1, 341)]
        found = first_spike(values)
        assert found is not None and 300 < found <= 320


def test_a_factor_of_nought_looks_for_no_spike() -> None:
    """And then every state is good to go back to."""
    values = [1.0] * 20 + [0.2] * 80 + [500.0] * 30
    assert first_spike(values, factor=0.0) is None
    assert losses.is_calm(noted(values), Monitor(spike_factor=0))


@pytest.mark.parametrize(("height", "calm"), [(1.05, True), (1.4, True), (1.8, False), (2.4, False)])
def test_a_state_half_way_to_a_spike_is_not_gone_back_to(height: float, calm: bool) -> None:
    """From twice the trend on, for a factor of three; below what it was in the beginning never."""
    watched = noted([1.0] * 20 + [0.8] * 300 + [height] * 20)
    assert not losses.has_spiked(watched, Monitor())
    assert losses.is_calm(watched, Monitor()) is calm


def test_the_trend_lags_behind() -> None:
    """It is the mean of all losses but the newest 20 while they are few, later an average over about 200."""
    assert noted([4.0] * 10 + [2.0] * 10 + [9.0] * 20).trend == pytest.approx(3.0)
    assert noted([4.0] * 20).trend == 0.0
    falling = noted([4.0] * 300 + [2.0] * 220)
    assert falling.trend == pytest.approx(2.0 + 2.0 * math.exp(-1), abs=0.01)


def test_the_smoothed_loss_spans_a_quarter_of_a_plateau() -> None:
    """The mean at first, an exponential average later, so that early noise weighs no more than late noise."""
    options = Monitor(plateau_steps=40)
    assert losses.smoothing_steps(options) == 10
    assert noted([1.0, 2.0, 3.0], options).smooth == pytest.approx(2.0)
    assert noted([1.0] * 50 + [0.0] * 10, options).smooth == pytest.approx(0.9**10)


def test_what_is_kept_is_bounded() -> None:
    """A training of any length has a state of the same size."""
    watched = noted(itertools.repeat(1.0, 5000))
    assert max(len(value) for value in asdict(watched).values() if isinstance(value, list)) == losses.WINDOW


def overfitted(series: Sequence[tuple[float, float]], options: Monitor | None = None) -> list[int]:
    """Which measurements warn; each pair is the training loss since the last one, and the held-out loss."""
    watched, found = Watched(), []
    for number, (training, held_out) in enumerate(series):
        if number:
            losses.note_loss(watched, training, Monitor())
        if overfitting.judge(watched, held_out, options or Monitor()):
            found.append(number)
    return found


FALLING = [(9.0 - 0.5 * number, 2.0) for number in range(12)]


@pytest.mark.parametrize(
    ("held_out", "warned"),
    [
        ([2, 1.9, 2.0, 2.1, 2.2], [4]),
        ([2, 1.9, 2.0, 2.1, 2.2, 2.3, 2.4], [4]),  # once
        ([2, 1.9, 2.0, 2.1, 2.2, 2.1, 2.2, 2.3, 2.4], [4, 8]),  # and again after it fell
        ([2, 1.9, 2.0, 1.9, 2.0, 1.9, 2.0], []),
        ([2, 2, 2, 2, 2, 2], []),
        ([2, 1.9, 1.901, 1.902, 1.903, 1.904], []),  # less than a thousandth is no rise
        ([2, 2.1, 2.2, 2.3], []),  # of the first interval nobody knows whether the training loss fell
        ([2, 2.1, 2.2, 2.3, 2.4], [4]),
    ],
)
def test_overfitting_is_told_once_an_episode(held_out: list[float], warned: list[int]) -> None:
    """Three measurements in a row rise while the training loss falls."""
    assert overfitted([(falling, value) for (falling, _), value in zip(FALLING, held_out, strict=False)]) == warned


def test_a_training_loss_that_rises_too_is_no_overfitting() -> None:
    """Then the training has other troubles; and 0 switches the watch off."""
    rising = [2, 1.9, 2.0, 2.1, 2.2, 2.3]
    assert overfitted([(1.0 + number, value) for number, value in enumerate(rising)]) == []
    assert overfitted(list(zip((9, 8, 7, 6, 5, 4), rising, strict=True)), Monitor(overfit_evaluations=0)) == []


def test_epochs_are_summed_up() -> None:
    """Mean loss, seconds, and the time left at that pace; a step that ends no epoch has none."""
    watched, told = Watched(), []
    for step in range(1, 7):
        epochs.note_step(watched, float(step), 2.0)
        told.append(epochs.close(watched, step, steps_per_epoch=3, total_steps=8))
    assert told[2] == EpochDone(1, 3, 8, loss=2.0, epoch_s=6.0, eta_s=10.0)
    assert told[5] == EpochDone(2, 6, 8, loss=5.0, epoch_s=6.0, eta_s=4.0)
    assert [each for number, each in enumerate(told) if number not in (2, 5)] == [None] * 4
    assert epochs.close(watched, 6, steps_per_epoch=3, total_steps=8) is None  # a resume that comes back to it


def test_the_line_of_an_epoch() -> None:
    """With the newest held-out loss where there is one."""
    summary = EpochDone(2, 6, 8, loss=0.5, epoch_s=6.0, eta_s=4.2)
    assert epochs.told(summary) == "epoch 2 done, step 6 of 8: mean loss 0.5000; 6.0 s, 4 s left"
    measured = EpochDone(2, 6, 8, loss=0.5, epoch_s=6.0, eta_s=4.2, evaluation_loss=0.25)
    assert "mean loss 0.5000, on held-out samples 0.2500; 6.0 s" in epochs.told(measured)


def test_a_state_of_another_release_loads() -> None:
    """Fields that are missing have their defaults, and those that nobody knows are left out."""
    assert Watched.read({}) == Watched()
    assert Watched.read({"num_losses": 3, "of_the_future": 1}) == Watched(num_losses=3)
