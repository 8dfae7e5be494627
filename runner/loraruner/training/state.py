"""Everything a resumed run needs to compute the same bits: taken from and given back to live objects."""

import random
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from loraruner.adapters.inject import load_lora_tensors, lora_tensors
from loraruner.errors import IntegrityError
from loraruner.training.monitor.state import Watched

LOSS_WINDOW = 10
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
BEST = "best."  # before the names of the best weights in the optimiser's file
Scaler = torch.amp.GradScaler
Place = tuple[int, int]  # roll-backs and steps before a state: no two states of a run have the same


@dataclass
class Progress:
    """Where training stands after ``step`` finished steps; JSON-able."""

    step: int = 0
    epoch: int = 0
    samples_seen: int = 0
    train_s: float = 0.0
    first_losses: list[float] = field(default_factory=list)  # of up to LOSS_WINDOW steps
    last_losses: list[float] = field(default_factory=list)
    best_loss: float | None = None
    evaluations: list[dict[str, float]] = field(default_factory=list)
    best_evaluation: float | None = None
    selected_step: int = 0  # of the best weights so far; 0 where none are kept. At the end: whose weights are published
    rollbacks: int = 0
    forgiven_rollbacks: int = 0  # of those, before people let a diverged run go on
    continued: int = 0  # how often people had let the run go on that had ended with 79 or 80
    learning_rate_factor: float = 1.0  # what the roll-backs have made of it
    anchor: list[int] = field(default_factory=lambda: [0, 0])  # the place that a roll-back goes to
    candidate_step: int | None = None  # becomes the anchor once the step after it is sound
    watched: Watched = field(default_factory=Watched)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Progress":
        """What a checkpoint says. One from before there were roll-backs is itself the state to go back to."""
        given = {"anchor": [0, document["step"]], **document}
        return cls(**{**given, "watched": Watched.read(document.get("watched", {}))})

    @property
    def place(self) -> Place:
        """Where this state stands in its run."""
        return self.rollbacks, self.step

    def prove(self) -> None:
        """A step from the state as it is was sound: a candidate is good to go back to."""
        if self.candidate_step is not None:
            self.anchor, self.candidate_step = [self.rollbacks, self.candidate_step], None

    def make_anchor(self) -> None:
        """From now on a roll-back comes back to the state as it is."""
        self.anchor, self.candidate_step = [self.rollbacks, self.step], None

    def measured_at(self, step: int) -> dict[str, float] | None:
        """The measurement after ``step`` steps, or None; step 0, before training, is never the best."""
        return next((each for each in self.evaluations if each["step"] == step > 0), None)

    @property
    def first_loss(self) -> float | None:
        """Mean over the first steps: one step's loss is mostly the noise of its timesteps or rows."""
        return statistics.fmean(self.first_losses[: self._window()]) if self.first_losses else None

    @property
    def last_loss(self) -> float | None:
        """Mean over the last steps."""
        return statistics.fmean(self.last_losses[-self._window() :]) if self.last_losses else None

    def _window(self) -> int:
        """Steps in either mean: in a short run at most half of all, so that no step counts in both."""
        return min(LOSS_WINDOW, max(1, self.step // 2))


@dataclass(frozen=True)
class Snapshot:
    """A checkpoint in CPU memory: adapter and optimiser tensors, and the JSON state.

    ``optimizer`` also holds torch's random state and, where a measurement was the best so far, its weights.
    """

    step: int
    adapter: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: dict[str, Any]

    @property
    def place(self) -> Place:
        """See ``Progress.place``."""
        return self.state.get("progress", {}).get("rollbacks", 0), self.step

    @property
    def needed(self) -> set[Place]:
        """The states that a roll-back from this one, or from a step soon after it, may go back to."""
        progress = self.state.get("progress", {})
        rollbacks, step = progress.get("anchor", (0, 0))
        candidate = progress.get("candidate_step")
        return {(rollbacks, step)} | ({(progress["rollbacks"], candidate)} if candidate is not None else set())

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensors, which is about what a checkpoint takes on the disk."""
        return sum(tensor.nbytes for tensor in (*self.adapter.values(), *self.optimizer.values()))

    def best(self) -> tuple[int, dict[str, Tensor]]:
        """Step and weights of the best measurement so far; where none are kept, the last."""
        found = {name.removeprefix(BEST): value for name, value in self.optimizer.items() if name.startswith(BEST)}
        return (self.state["progress"]["selected_step"], found) if found else (self.step, self.adapter)

    def without_best(self) -> "Snapshot":
        """The same without a choice of the best: measurements on other samples don't compare."""
        optimizer = {name: tensor for name, tensor in self.optimizer.items() if not name.startswith(BEST)}
        progress = {**self.state["progress"], "selected_step": 0}
        return replace(self, optimizer=optimizer, state={**self.state, "progress": progress})

    def adopted(self) -> "Snapshot":
        """The same as the beginning of another run, which goes back to it and not before it."""
        progress = Progress.read(self.state["progress"])
        progress.rollbacks = progress.forgiven_rollbacks = progress.continued = 0
        progress.watched = Watched()
        progress.make_anchor()
        return replace(self, state={**self.state, "progress": asdict(progress)})


class Live:
    """The live objects of a training run whose state makes a checkpoint; ``optimizer`` works on the flat weights."""

    def __init__(self, module: nn.Module, optimizer: torch.optim.Optimizer, scaler: Scaler) -> None:
        self.module = module
        self.optimizer = optimizer
        self.scaler = scaler
        self.progress = Progress()
        self._best: dict[str, Tensor] = {}  # replaced, never changed: a snapshot that waits holds it too
        self._flat: nn.Parameter = optimizer.param_groups[0]["params"][0]

    def keep_best(self) -> None:
        """From now on the weights as they are are those to publish."""
        self._best = lora_tensors(self.module)
        self.progress.selected_step = self.progress.step

    def take_best(self) -> None:
        """Put the weights to publish into the module; no checkpoint may be made of it afterwards."""
        if self._best:
            load_lora_tensors(self.module, self._best)
        else:
            self.progress.selected_step = self.progress.step

    def snapshot(self, identity: dict[str, Any]) -> Snapshot:
        """Copy all state to CPU memory; ``identity`` (spec digest, fingerprint, runtime) is stored beside it."""
        optimizer = {"rng.torch": torch.get_rng_state()}
        if torch.cuda.is_available():
            optimizer["rng.cuda"] = torch.cuda.get_rng_state()
        for moment, value in self.optimizer.state.get(self._flat, {}).items():
            optimizer[moment] = value.detach().to("cpu", copy=True)
        optimizer |= {f"{BEST}{name}": tensor for name, tensor in self._best.items()}
        state = {
            **identity,
            "progress": asdict(self.progress),
            "scaler": self.scaler.state_dict(),
            "rng": {"python": _python_rng(), "numpy": _numpy_rng()},
        }
        return Snapshot(self.progress.step, lora_tensors(self.module), optimizer, state)

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from ``snapshot``; random state is set last. Raises IntegrityError when it does not fit."""
        load_lora_tensors(self.module, snapshot.adapter)
        moments = {name: value for name, value in snapshot.optimizer.items() if name in MOMENTS}
        if snapshot.step and moments.keys() != set(MOMENTS):
            raise IntegrityError(
                f"the checkpoint's optimiser state holds {sorted(moments)} instead of {sorted(MOMENTS)}"
            )
        # Fused AdamW keeps "step" as fp32 on the weights' device too.
        self.optimizer.state[self._flat] = {
            name: value.to(self._flat.device, torch.float32, copy=True) for name, value in moments.items()
        }
        self.scaler.load_state_dict(snapshot.state["scaler"])
        self.progress = Progress.read(snapshot.state["progress"])
        kept = {name: tensor for name, tensor in snapshot.optimizer.items() if name.startswith(BEST)}
        self._best = {name.removeprefix(BEST): tensor for name, tensor in kept.items()}
        version, words, gauss = snapshot.state["rng"]["python"]
        random.setstate((version, tuple(words), gauss))
        kind, keys, *rest = snapshot.state["rng"]["numpy"]
        np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
        torch.set_rng_state(snapshot.optimizer["rng.torch"])
        if "rng.cuda" in snapshot.optimizer and torch.cuda.is_available():
            torch.cuda.set_rng_state(snapshot.optimizer["rng.cuda"])


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch: dropout must not depend on what building the model drew."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _python_rng() -> list[Any]:
    version, words, gauss = random.getstate()
    return [version, list(words), gauss]


def _numpy_rng() -> list[Any]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return [kind, np.asarray(keys).tolist(), *rest]
