"""A causal LM with LoRA: rows of tokens in, the summed loss of the trained tokens out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from loraruner.adapters.inject import inject
from loraruner.errors import SpecInvalid
from loraruner.families.base import Base, BatchLoss, Draw, Prepared, Runtime
from loraruner.families.batches import bucketed
from loraruner.families.causal_lm.cache import TokenRows, read_tokens
from loraruner.families.causal_lm.open_base import load_model
from loraruner.families.causal_lm.targets import resolve_targets, shortest_names
from loraruner.spec import Spec

AUTOCAST = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
IGNORED = -100  # label of a position that predicts nothing


@dataclass(frozen=True)
class TextBatch:
    """Padded rows, and the N positions whose next token is trained."""

    ids: Tensor  # (B, T) int64
    places: Tensor  # (N,) int64, into the flattened (B * T)
    targets: Tensor  # (N,) int64, the token after each place
    training: bool


class CausalTrainable:
    """The ``Trainable`` of this family; its loss draws nothing, so one evaluation pass is exact.

    ``target_names`` are what a PEFT loader needs to find the same layers. ``head`` is that of ``plain_head``.
    """

    evaluation_repeats = 1
    selected_by = "loss"

    def __init__(
        self,
        module: PreTrainedModel,
        parts: Mapping[str, TokenRows],
        runtime: Runtime,
        *,
        head: nn.Module | None,
        target_names: list[str],
    ) -> None:
        self.module = module
        self.parts = parts
        self.runtime = runtime
        self.target_names = target_names
        self.num_samples = len(parts["train"])
        self.num_evaluation = len(parts["evaluation"]) if "evaluation" in parts else 0
        self.num_general = len(parts["general"]) if "general" in parts else 0
        self._lengths = parts["train"].offsets.diff().tolist()
        self._head = head

    def weight(self, index: int) -> float:
        """Number of trained tokens of training row ``index``."""
        return float(self.parts["train"].row(index)[1].sum())

    def micro_batches(self, order: Sequence[int], batch_size: int) -> list[list[int]]:
        """Partition of ``order`` into batches of rows of like length."""
        return bucketed(order, self._lengths, batch_size)

    def collate(self, indices: Sequence[int], draw: Draw, part: str = "train") -> TextBatch:
        """Rows of ``part``, padded on the right, on the device; nothing random is drawn from ``draw``."""
        ids, labels = _padded([self.parts[part].row(index) for index in indices])  # (B, T) twice
        places = (labels != IGNORED).flatten().nonzero()[:, 0]  # (N,)
        targets, device = labels.flatten()[places], self.runtime.device
        return TextBatch(ids.to(device), places.to(device), targets.to(device), training=part == "train")

    def loss(self, batch: TextBatch) -> BatchLoss:
        """Cross-entropy in fp32, summed over the batch's trained tokens; dropout acts in training alone."""
        if self.module.training != batch.training:
            self.module.train(batch.training)
        precision = AUTOCAST[self.runtime.precision]
        with torch.autocast(self.runtime.device, dtype=precision, enabled=precision != torch.float32):
            logits = self._logits(batch.ids, batch.places)  # (N, V)
        total = functional.cross_entropy(logits.float(), batch.targets, reduction="sum")
        return BatchLoss(total, float(len(batch.targets)))

    def measure(self, stopped: Callable[[], bool]) -> dict[str, float]:
        """Nothing: the loss says it all."""
        return {}

    def _logits(self, ids: Tensor, places: Tensor) -> Tensor:
        """Logits (N, V) at the flat positions ``places``.

        Attention is causal, so padding on the right reaches no real token and needs no mask.
        """
        if self._head is None:
            full: Tensor = self.module(input_ids=ids, use_cache=False).logits  # (B, T, V)
            return full.flatten(0, 1)[places]
        hidden = self.module.base_model(input_ids=ids, use_cache=False).last_hidden_state  # (B, T, D)
        selected: Tensor = self._head(hidden.flatten(0, 1)[places])
        return selected


def _padded(rows: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Token ids, padded on the right, and at each position the trained token after it (or IGNORED)."""
    longest = max(len(ids) for ids, _ in rows)
    padded = torch.zeros(len(rows), longest, dtype=torch.int64)  # (B, T)
    labels = torch.full_like(padded, IGNORED)
    for at, (ids, trained) in enumerate(rows):
        padded[at, : len(ids)] = ids
        labels[at, : len(ids) - 1] = torch.where(trained[1:].bool(), ids[1:].long(), IGNORED)
    return padded, labels


def build(spec: Spec, base: Base, prepared: Prepared, runtime: Runtime) -> CausalTrainable:
    """Load the base and inject LoRA at ``spec.lora.targets``, initialised from ``spec.training.seed``."""
    module = load_model(base, device=runtime.device, dtype=runtime.dtype)
    targets = resolve_targets(module, spec.lora.targets)
    names, head = shortest_names(module, targets), plain_head(module)  # of the model as it came
    try:
        inject(
            module,
            targets=targets,
            rank=spec.lora.rank,
            alpha=spec.lora.alpha,
            dropout=spec.lora.dropout,
            seed=spec.training.seed,
        )
    except ValueError as error:  # layers that PEFT knows not to work, such as Mamba's convolutions
        raise SpecInvalid(f"$.lora.targets: PEFT refuses a layer of this model ({error}); name others") from error
    parts = {part: read_tokens(path) for part, path in prepared.files.items()}
    return CausalTrainable(module, parts, runtime, head=head, target_names=names)


def plain_head(module: PreTrainedModel) -> nn.Module | None:
    """The output layer, if logits are exactly that layer applied to the backbone's last hidden states.

    Some models scale or cap their logits afterwards. One short forward pass tells, whatever the configuration
    calls it; None means that the model's own logits must be used.
    """
    head = module.get_output_embeddings()
    if head is None or module.base_model is module:
        return None
    seen: dict[str, Tensor] = {}
    hooks = [
        module.base_model.register_forward_hook(lambda _m, _i, out: seen.update(hidden=out.last_hidden_state)),
        head.register_forward_hook(lambda _m, inputs, out: seen.update(entered=inputs[0], left=out)),
    ]
    try:
        with torch.no_grad():
            probe = torch.arange(4, device=next(module.parameters()).device)[None]  # (1, 4)
            logits = module(input_ids=probe, use_cache=False).logits
    finally:
        for hook in hooks:
            hook.remove()
    if seen.keys() != {"hidden", "entered", "left"}:  # the model goes past its own backbone or head
        return None
    exact = torch.equal(seen["entered"], seen["hidden"]) and torch.equal(seen["left"].float(), logits.float())
    return head if exact else None
