"""A Whisper with LoRA: pieces of clips in, the summed loss of their transcripts' tokens out; word errors measured."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import WhisperForConditionalGeneration

from loraruner.adapters.inject import inject
from loraruner.families.base import Base, BatchLoss, Draw, Prepared, Runtime
from loraruner.families.batches import bucketed
from loraruner.families.layer_names import shortest_names
from loraruner.families.speech.attention import unprojected
from loraruner.families.speech.augment import spec_augment
from loraruner.families.speech.encoder import States
from loraruner.families.speech.items import Item, options_of, read_items
from loraruner.families.speech.open_base import load_extractor, load_model, load_tokenizer
from loraruner.families.speech.targets import in_encoder, resolve_targets
from loraruner.spec import Spec, SpeechOptions

AUTOCAST = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
IGNORED = -100  # label of a position that predicts nothing


@dataclass(frozen=True)
class SpeechBatch:
    """Pieces of clips, and the N tokens of their transcripts that are predicted."""

    items: tuple[Item, ...]
    states: Tensor | None  # (B, frames, D) from the cache; None where the encoder runs in the step
    ids: Tensor  # (B, T) int64, the decoder's input, padded on the right
    places: Tensor  # (N,) int64, into the flattened (B * T)
    targets: Tensor  # (N,) int64, the token after each place
    draw: Draw | None  # of a training step; None in evaluation, where nothing is random


@dataclass(frozen=True)
class Hearing:
    """How pieces become states and text, and where LoRA sits."""

    states: States
    in_step: bool  # the encoder runs in every step: it is trained, or hears other masks each time
    tokenizer: Any
    target_names: list[str]  # what a PEFT loader needs to find the same layers


class SpeechTrainable:
    """The ``Trainable`` of this family: the decoder on encoder states, which come from the cache where they can.

    Its evaluation loss draws nothing, so one pass is exact. The best adapter has the lowest word error rate.
    """

    num_general = 0
    evaluation_repeats = 1
    selected_by = "wer"

    def __init__(
        self,
        module: WhisperForConditionalGeneration,
        parts: Mapping[str, Sequence[Item]],
        hearing: Hearing,
        options: SpeechOptions,
        runtime: Runtime,
    ) -> None:
        self.module = module
        self.parts = parts
        self.hearing = hearing
        self.options = options
        self.runtime = runtime
        self.num_samples = len(parts["train"])
        self.num_evaluation = len(parts.get("evaluation", ()))

    def weight(self, index: int) -> float:
        """Number of predicted tokens of training piece ``index``: language, task and end of text among them."""
        return float(len(self.parts["train"][index].labels))

    def micro_batches(self, order: Sequence[int], batch_size: int) -> list[list[int]]:
        """Partition of ``order`` into batches of transcripts of like length."""
        return bucketed(order, [len(item.labels) for item in self.parts["train"]], batch_size)

    def collate(self, indices: Sequence[int], draw: Draw, part: str = "train") -> SpeechBatch:
        """Pieces of ``part`` with their cached states on the device; ``draw`` is for masks of SpecAugment alone."""
        items = tuple(self.parts[part][index] for index in indices)
        ids, labels = _shifted(items, self.module.config.decoder_start_token_id)  # (B, T) twice
        places = (labels != IGNORED).flatten().nonzero()[:, 0]  # (N,)
        targets, device = labels.flatten()[places], self.runtime.device
        return SpeechBatch(
            items=items,
            states=None if self.hearing.in_step else self.hearing.states(items),
            ids=ids.to(device),
            places=places.to(device),
            targets=targets.to(device),
            draw=draw if part == "train" else None,
        )

    def loss(self, batch: SpeechBatch) -> BatchLoss:
        """Cross-entropy in fp32, summed over the batch's tokens.

        Dropout, SpecAugment and label smoothing act in training alone.
        """
        training = batch.draw is not None
        if self.module.training != training:
            self.module.train(training)
        states = batch.states
        with self.autocast():
            if states is None:
                states = self.hearing.states(batch.items, batch.draw)
            if torch.is_autocast_enabled(self.runtime.device):  # once, not in every layer
                states = states.to(AUTOCAST[self.runtime.precision])
            logits = self._logits(states, batch)  # (N, V)
        smoothing = self.options.label_smoothing if training else 0.0
        total = functional.cross_entropy(logits.float(), batch.targets, reduction="sum", label_smoothing=smoothing)
        return BatchLoss(total, float(len(batch.targets)))

    def _logits(self, states: Tensor, batch: SpeechBatch) -> Tensor:
        """Logits (N, V) at the batch's places; attention is causal, so padding reaches no real token.

        The output head is the largest matrix of all: it is applied where a label is, and nowhere else.
        """
        decoder = self.module.model.decoder
        with unprojected(decoder):
            hidden = decoder(input_ids=batch.ids, encoder_hidden_states=states, use_cache=False).last_hidden_state
        logits: Tensor = self.module.proj_out(hidden.flatten(0, 1)[batch.places])  # hidden is (B, T, D)
        return logits

    def measure(self, stopped: Callable[[], bool]) -> dict[str, float] | None:
        """Word and character error rates of the held-out clips, normalised and raw; {} when none is held out.

        ``stopped`` is asked before every batch and every token. The module's mode stays as it is.
        """
        from loraruner.families.speech import error_rates
        from loraruner.families.speech.transcribe import transcribe

        def between() -> None:
            if stopped():
                raise _Stopped

        items, training = self.parts.get("evaluation", ()), self.module.training
        if not items:
            return {}
        try:
            self.module.eval()
            with self.autocast():
                texts = transcribe(
                    self.module,
                    self.hearing.tokenizer,
                    items,
                    self.hearing.states,
                    max_new_tokens=self.options.max_new_tokens,
                    between=between,
                )
        except _Stopped:
            return None
        finally:
            self.module.train(training)
        return error_rates.measure(items, texts, self.hearing.tokenizer)

    def autocast(self) -> AbstractContextManager[Any]:
        """What a forward pass computes in."""
        precision = AUTOCAST[self.runtime.precision]
        return torch.autocast(self.runtime.device, dtype=precision, enabled=precision != torch.float32)


class _Stopped(Exception):
    """A signal came while transcribing."""


def _shifted(items: Sequence[Item], start: int) -> tuple[Tensor, Tensor]:
    """The decoder's input, ``start`` and all labels but the last, and the labels, padded on the right with IGNORED.

    The input is padded with ``start``: no loss falls on it. (A loss masked by the padding token would miss the end of
    text, which is the same token.)
    """
    longest = max(len(item.labels) for item in items)
    labels = torch.full((len(items), longest), IGNORED)  # (B, T)
    for at, item in enumerate(items):
        labels[at, : len(item.labels)] = torch.tensor(item.labels)
    ids = torch.full_like(labels, start)
    ids[:, 1:] = torch.where(labels == IGNORED, start, labels)[:, :-1]
    return ids, labels


def build(spec: Spec, base: Base, prepared: Prepared, runtime: Runtime) -> SpeechTrainable:
    """Load the base and inject LoRA at ``spec.lora.targets``, initialised from ``spec.training.seed``.

    The encoder's layers are dropped from memory where all states are cached.
    """
    options, lora = options_of(spec), spec.lora
    module = load_model(base, device=runtime.device, dtype=runtime.dtype)
    targets = resolve_targets(module, lora.targets)
    names = shortest_names(targets, (path for path, _ in module.named_modules()))  # of the model as it came
    inject(module, targets=targets, rank=lora.rank, alpha=lora.alpha, dropout=lora.dropout, seed=spec.training.seed)
    module.eval()  # the layers of LoRA too
    in_step = options.spec_augment or in_encoder(targets)
    if not in_step:
        module.model.encoder.to("meta")
    states = States(
        module,
        load_extractor(base),
        options.encoder_frames,
        augment=spec_augment if options.spec_augment else None,
    )
    hearing = Hearing(states, in_step, load_tokenizer(base), names)
    parts = {part: read_items(prepared.files[part]) for part in ("train", "evaluation") if part in prepared.files}
    return SpeechTrainable(module, parts, hearing, options, runtime)
