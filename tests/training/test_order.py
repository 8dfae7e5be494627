"""The order of samples: a pure function of seed and epoch."""

from collections.abc import Sequence

from loraruner.spec import Training
from loraruner.training.order import Windows
from tests.support.tiny_training import TinyTrainable, job


def windows(**training: int) -> Windows:
    return Windows(TinyTrainable(num_samples=11), Training(**{"epochs": 3, "batch_size": 2, **training}))  # type: ignore[arg-type]


def epoch_of(order: Windows, epoch: int) -> list[int]:
    steps = range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
    return [index for step in steps for batch in order.at(step)[1] for index in batch]


def shape(window: Sequence[Sequence[int]]) -> list[int]:
    return [len(batch) for batch in window]


def test_every_epoch_is_a_permutation() -> None:
    """Each epoch shows every sample once, and no two epochs or seeds share an order."""
    order = windows()
    epochs = [epoch_of(order, epoch) for epoch in range(3)]
    assert all(sorted(epoch) == list(range(11)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in [*epochs, epoch_of(windows(seed=43), 0)]}) == 4


def test_the_order_depends_on_seed_and_step_alone() -> None:
    """The same seed gives the same windows, whichever step is asked for first."""
    order, again = windows(), windows()
    expected = [order.at(step) for step in range(order.total_steps)]
    found = {step: again.at(step) for step in reversed(range(order.total_steps))}
    assert [found[step] for step in range(order.total_steps)] == expected


def test_the_last_window_of_an_epoch_is_short() -> None:
    """Eleven samples in pairs, four to a step: the last step of an epoch has what is left, and no step mixes epochs."""
    order = windows(gradient_accumulation_steps=4)
    assert (order.steps_per_epoch, order.total_steps) == (2, 6)
    assert [(order.at(step)[0], shape(order.at(step)[1])) for step in (0, 1, 2)] == [
        (0, [2, 2, 2, 2]),
        (0, [2, 1]),
        (1, [2, 2, 2, 2]),
    ]


def test_steps_go_before_epochs() -> None:
    """``max_steps`` is the number of steps, whatever the epochs would be."""
    assert Windows(TinyTrainable(), job(training__max_steps=5).training).total_steps == 5
