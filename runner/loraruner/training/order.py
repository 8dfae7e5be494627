"""Which samples each step sees: a pure function of the seed and the step, so resuming needs no reader state."""

from collections.abc import Sequence

from loraruner.families.base import Draw, Trainable
from loraruner.families.draws import generator
from loraruner.spec import Training


class Windows:
    """Accumulation windows: ``gradient_accumulation_steps`` micro-batches each, the last of an epoch may be smaller."""

    def __init__(self, trainable: Trainable, training: Training) -> None:
        self._trainable = trainable
        self._training = training
        self._epoch = -1
        self._batches: list[list[int]] = []
        self.steps_per_epoch = -(-len(self._load(0)) // training.gradient_accumulation_steps)
        self.total_steps = training.max_steps or (training.epochs or 0) * self.steps_per_epoch

    def at(self, step: int) -> tuple[int, Sequence[Sequence[int]]]:
        """Epoch and micro-batches of the 0-based ``step``."""
        epoch, position = divmod(step, self.steps_per_epoch)
        size = self._training.gradient_accumulation_steps
        return epoch, self._load(epoch)[position * size : (position + 1) * size]

    def _load(self, epoch: int) -> list[list[int]]:
        if epoch != self._epoch:
            draw = Draw(seed=self._training.seed, purpose="order", epoch=epoch, occurrence=0, step=0)
            order = generator(draw, "").permutation(self._trainable.num_samples).tolist()
            self._batches = self._trainable.micro_batches(order, self._training.batch_size)
            self._epoch = epoch
        return self._batches
