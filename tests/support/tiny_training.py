"""A training of two parameters' worth: a frozen linear layer with LoRA, its samples, and one attempt at it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from loraruner import settings, spec
from loraruner.adapters.inject import inject
from loraruner.disk_guard import DiskGuard
from loraruner.events import Event, StepDone, Warned
from loraruner.families.base import BatchLoss, Draw, Runtime
from loraruner.families.draws import generator
from loraruner.runs import monitor_digest
from loraruner.spec import Spec
from loraruner.stores import open_store
from loraruner.stores.base import Store
from loraruner.training.attempt import Attempt, Trained, train
from loraruner.training.checkpoints import rank
from loraruner.training.signals import StopSignal
from loraruner.workspace import RunKeys, Workspace, open_workspace

RUNTIME = Runtime(device="cpu", precision="fp32", dtype="float32", num_threads=1)
KEYS = RunKeys("tiny-0123456789ab")
IDENTITY = {"spec_digest": "s", "fingerprint": "f"}


def job(**overrides: Any) -> Spec:
    """A picture job; ``training__max_steps=3`` sets ``training.max_steps``."""
    document = {
        "name": "tiny",
        "task": "text-to-image",
        "model": {"base": "base"},
        "data": {"uri": "data"},
        "output": {"uri": "out"},
    }
    given = [f"{name.replace('__', '.')}={json.dumps(value)}" for name, value in overrides.items()]
    return spec.load(json.dumps(document).encode(), overrides=given).spec


@dataclass
class TinyTrainable:
    """Three numbers in, two out; the loss is the weighted squared error, on inputs with fresh noise.

    ``script`` has the word error rate to measure after each step; ``step`` and ``on_measure`` are the run's to set.
    """

    num_samples: int = 7
    num_evaluation: int = 0
    dropout: float = 0.0
    weights: Sequence[float] = ()
    nan_from_step: int | None = None  # the training loss is not finite from this step on
    nan_evaluation: bool = False
    num_general: int = 0
    evaluation_repeats: int = 2
    script: Mapping[int, float] = field(default_factory=dict)
    step: int = 0
    on_measure: Callable[[int], None] = lambda step: None
    module: nn.Module = field(init=False)
    selected_by: str = field(init=False)

    def __post_init__(self) -> None:
        self.selected_by = "wer" if self.script else "loss"
        table = torch.randn(64, 5, generator=torch.Generator().manual_seed(1))
        self._inputs, self._targets = table[:, :3], table[:, 3:]
        linear = nn.Linear(3, 2)
        with torch.no_grad():
            linear.weight.copy_(table[:2, :3])
            linear.bias.zero_()
        self.module = nn.Sequential(linear)
        inject(self.module, targets=["0"], rank=1, alpha=2.0, dropout=self.dropout, seed=5)

    def measure(self, stopped: Callable[[], bool]) -> dict[str, float] | None:
        assert not self.module.training and not torch.is_grad_enabled()
        self.on_measure(self.step)
        if stopped():
            return None
        return {"wer": self.script[self.step]} if self.script else {}

    def weight(self, index: int) -> float:
        return self.weights[index] if self.weights else 1.0

    def micro_batches(self, order: Sequence[int], batch_size: int) -> list[list[int]]:
        return [list(order[start : start + batch_size]) for start in range(0, len(order), batch_size)]

    def collate(self, indices: Sequence[int], draw: Draw, part: str = "train") -> tuple[Tensor, Tensor, Tensor]:
        first = 32 if part == "evaluation" else 0
        noise = np.stack([generator(draw, f"{part}{index}").standard_normal(3) for index in indices])
        rows = [first + index for index in indices]
        spoiled = part == "evaluation" and self.nan_evaluation
        if part == "train" and self.nan_from_step is not None:
            spoiled = draw.step >= self.nan_from_step
        targets = self._targets[rows] * (float("nan") if spoiled else 1.0)
        weights = torch.tensor([self.weight(index) if part == "train" else 1.0 for index in indices])
        return self._inputs[rows] + 0.1 * torch.from_numpy(noise).float(), targets, weights

    def loss(self, batch: tuple[Tensor, Tensor, Tensor]) -> BatchLoss:
        inputs, targets, weights = batch
        error = (self.module(inputs) - targets).square().mean(1)
        return BatchLoss(total=(error * weights).sum(), weight=weights.sum().item())


@dataclass
class TinyRun:
    """Attempts at one run, each with an empty workspace; they share a store on the disk."""

    folder: Path
    events: list[Event] = field(default_factory=list)
    attempts: int = 0
    continued: int = 0  # attempts that people let go on
    evaluations: list[dict[str, float]] = field(default_factory=list)
    ship: Callable[[Workspace], None] = lambda workspace: None
    disks: DiskGuard = field(default_factory=lambda: DiskGuard({}))

    @property
    def store(self) -> Store:
        return open_store(str(self.folder / "store"), settings.load({"HOME": str(self.folder)}))

    def attempt(
        self,
        job: Spec,
        trainable: TinyTrainable,
        *,
        stop_after: int | None = None,
        stop_measuring: int | None = None,
        identity: dict[str, Any] = IDENTITY,
        goes_on: bool = False,
    ) -> Trained:
        """Train; a stop signal comes in the step ``stop_after``, before all steps for 0.

        Or it comes after the step ``stop_measuring``, while its error rate is measured.
        """
        self.attempts += 1
        self.continued += goes_on
        stop = StopSignal()
        stop.received = "SIGTERM" if stop_after == 0 else None
        trainable.step = max(self.losses(), default=0)

        def emit(event: Event) -> None:
            self.events.append(event)
            if isinstance(event, StepDone):
                trainable.step = event.step
                stop.received = "SIGTERM" if event.step == stop_after else stop.received
            elif isinstance(event, Warned) and event.kind == "rollback":
                trainable.step = event.step

        def on_measure(step: int) -> None:
            stop.received = "SIGTERM" if step == stop_measuring else stop.received

        trainable.on_measure = on_measure
        workspace = open_workspace(self.folder / f"work-{self.attempts}", KEYS.run_id, "store", self.attempts)
        ship = partial(self.ship, workspace)
        attempt = Attempt(
            number=self.attempts,
            workspace=workspace,
            store=self.store,
            keys=KEYS,
            identity=identity,
            stop=stop,
            emit=emit,
            ship_logs=ship,
            disks=self.disks,
            monitor_digest=monitor_digest(job.monitor),
            continued=self.continued,
        )
        trained = train(job, trainable, RUNTIME, attempt, settings.load({"HOME": str(self.folder)}))
        self.evaluations = trained.progress.evaluations
        return trained

    def checkpoints(self) -> list[str]:
        """Names of the committed ones, oldest first."""
        found = (path.parent.name for path in (self.folder / "store").glob(f"{KEYS.checkpoints}*/manifest.json"))
        return sorted(found, key=rank)

    def final(self) -> dict[str, Tensor]:
        """All tensors of the newest checkpoint: weights, moments, random state."""
        folder = self.folder / "store" / KEYS.checkpoints / self.checkpoints()[-1]
        return {**load_file(folder / "adapter.safetensors"), **load_file(folder / "optimizer.safetensors")}

    def losses(self) -> dict[int, float]:
        """Loss by step; a step that was done again counts as it was done last."""
        return {event.step: event.loss for event in self.events if isinstance(event, StepDone)}


def assert_same_bits(first: TinyRun, second: TinyRun) -> None:
    """Weights, optimiser, random state and the loss of every step are equal, bit for bit."""
    expected, found = first.final(), second.final()
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert first.losses() == second.losses()
