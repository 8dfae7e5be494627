"""What the pipeline asks of a model family, and what a family gives the training loop.

A family turns samples into tensors and a batch into a loss; the loop, checkpoints, export checks and publishing are
the same for all. Tensors appear in annotations only, so that naming a family imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from loraruner.data.samples import Scan, Skipped
from loraruner.spec import Spec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Runtime:
    """What ``auto`` became on this machine; stored with the run, so that later attempts compute the same."""

    device: str  # "cpu" | "cuda"
    precision: str  # "fp32" | "bf16" | "fp16": autocast type; LoRA weights stay fp32
    dtype: str  # "float32" | "bfloat16" | "float16": the frozen base's type
    num_threads: int


@dataclass(frozen=True)
class Base:
    """A local base model: a folder or a single file, and the digest of its bytes (hex)."""

    path: Path
    digest: str
    uri: str


@dataclass(frozen=True)
class TokenLimit:
    """How many tokens the base makes of a caption or of one answer, and how many it takes."""

    count: Callable[[str], int]
    limit: int


@dataclass(frozen=True)
class BatchLoss:
    """Sum of the losses in a micro-batch and the weight it was summed over.

    The loop divides by the weight of the whole accumulation window, so that the split into micro-batches changes
    nothing. Weight: pictures count 1 each, text counts trained tokens.
    """

    total: torch.Tensor  # scalar, with graph
    weight: float


@dataclass(frozen=True)
class Draw:
    """Names the random numbers of one use of a sample: noise, timesteps. ``purpose`` separates train from eval."""

    seed: int
    purpose: str
    epoch: int
    occurrence: int
    step: int


@dataclass(frozen=True)
class Artifact:
    """One exported file: name inside the version folder, its format, and how it was proven."""

    name: str
    format: str  # "diffusers" | "kohya" | "peft"
    max_difference: float  # largest |difference| of outputs, loaded back against trained
    num_modules: int


@dataclass(frozen=True)
class Trial:
    """One prompt tried on the exported adapter: file names (pictures) or texts, without and with it.

    For speech the prompt is a clip's id, and ``reference`` what is said in it ("" where nobody knows).
    """

    prompt: str
    before: str
    after: str
    reference: str = ""


@dataclass(frozen=True)
class Trials:
    """What ``generate`` made. ``files`` are relative to the folder it wrote to; ``measures`` are named numbers."""

    trials: tuple[Trial, ...]
    files: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)


class Trainable(Protocol):
    """A base module with LoRA injected, its cached samples, and how a batch becomes a loss."""

    module: torch.nn.Module
    num_samples: int
    num_evaluation: int  # held-out samples; 0 when there are none
    num_general: int  # samples of general text; 0 for pictures
    evaluation_repeats: int  # occurrences that evaluation averages over; 1 where the loss draws nothing
    selected_by: str  # the measured value whose lowest is best: "loss", or one that ``measure`` gives

    def weight(self, index: int) -> float:
        """Weight of training sample ``index`` in the loss (see BatchLoss)."""
        ...

    def micro_batches(self, order: Sequence[int], batch_size: int) -> list[list[int]]:
        """Group an epoch's shuffled order into micro-batches, deterministic in ``order`` alone."""
        ...

    def collate(self, indices: Sequence[int], draw: Draw, part: str = "train") -> Any:
        """The samples ``indices`` of ``part`` ("train" | "evaluation" | "general") as one batch on the device."""
        ...

    def loss(self, batch: Any) -> BatchLoss:
        """Forward pass and loss of what ``collate`` returned."""
        ...

    def measure(self, stopped: Callable[[], bool]) -> dict[str, float] | None:
        """What else is measured on the held-out part, such as word error rates; {} where the loss says it all.

        Draws nothing from the global random state. ``stopped`` is asked between batches; None once it says yes.
        """
        ...


class Family(Protocol):
    """The verbs of one task. Every one is safe to repeat: it writes beside and renames, or skips."""

    def scan(self, spec: Spec, path: Path) -> Scan[Any]:
        """Find the samples in a staged data folder or file; imports no torch."""
        ...

    def check_base(self, path: Path) -> None:
        """Refuse a base of another family, pickles, code, cut files: DataInvalid in one sentence; no torch."""
        ...

    def token_limit(self, spec: Spec | None, base: Path | None) -> TokenLimit | None:
        """How long a caption or an answer may be; None where the base's tokenizer is needed and not given.

        ``base`` may be a folder of a tokenizer alone. Imports no torch without a base.
        """
        ...

    def localize(self, base: Base, cache: Path) -> Base:
        """The same base in a layout that loads fast, converted once into ``cache`` where needed (GGUF)."""
        ...

    def prepare(self, spec: Spec, base: Base, samples: Samples, cache: Path, runtime: Runtime) -> Prepared:
        """Compute what is frozen (latents, embeddings, token ids) once, into content-addressed files in ``cache``."""
        ...

    def build(self, spec: Spec, base: Base, prepared: Prepared, runtime: Runtime) -> Trainable:
        """Load what is trained and inject LoRA, initialised from ``spec.training.seed``."""
        ...

    def export(self, spec: Spec, base: Base, trainable: Trainable, folder: Path, facts: Mapping[str, str]) -> None:
        """Write the adapter in ``spec.output.formats`` into ``folder``. ``facts``: run-dependent header strings."""
        ...

    def verify(self, spec: Spec, base: Base, trainable: Trainable, folder: Path) -> tuple[Artifact, ...]:
        """Load every exported file into a fresh base, compare with the trained module; IntegrityError if it differs."""
        ...

    def generate(self, spec: Spec, base: Base, adapter: Path | None, request: Request, folder: Path) -> Trials:
        """Try prompts on a fresh base, without and with the exported adapter folder, in fp32 on this machine."""
        ...


@dataclass(frozen=True)
class Samples:
    """Training, held-out and general samples (general is empty for pictures)."""

    train: tuple[Any, ...]
    evaluation: tuple[Any, ...] = ()
    general: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """Where ``prepare`` left the cached tensors, in the family's own file layout, and the samples of each part."""

    files: Mapping[str, Path]
    ids: Mapping[str, tuple[str, ...]]  # part -> sample ids, in index order
    skipped: tuple[Skipped, ...] = ()  # samples whose fault only encoding could find


@dataclass(frozen=True)
class Request:
    """What to generate: prompts, a seed, and a hook that is called between prompts (raises on SIGTERM).

    ``held_out`` is the run's prepared data: speech is tried on its held-out clips, and needs no prompts.
    """

    prompts: tuple[str, ...]
    seed: int
    between: Callable[[], None] = lambda: None
    held_out: Prepared | None = None
