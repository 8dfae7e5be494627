"""The loss of a Whisper with LoRA on cached states, and with its encoder in the step."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from loraruner.families.base import Base, Prepared
from loraruner.families.speech import error_rates
from loraruner.families.speech.cache import MIXED
from loraruner.families.speech.trainable import SpeechTrainable
from loraruner.families.speech.transcribe import transcribe
from loraruner.training.evaluate import evaluate
from tests.support.tiny_speech import DRAW, TEXTS, build, gradients, prepared, randomise, spec_with

ALL = range(len(TEXTS))
Build = Callable[..., SpeechTrainable]


@pytest.fixture(scope="module")
def states_cache(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Encoder states of every piece; tests must not change it."""
    base = Base(tiny_folder, "ab" * 32, "hf://org/tiny@main")
    return prepared(base, tmp_path_factory.mktemp("states"), languages=("en", "de"))


@pytest.fixture(scope="module")
def audio_cache(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Audio of every piece; tests must not change it."""
    return prepared(Base(tiny_folder, "ab" * 32, "hf://org/tiny@main"), tmp_path_factory.mktemp("audio"), audio=True)


@pytest.fixture
def make(base: Base, states_cache: Prepared, audio_cache: Prepared) -> Build:
    """Build; ``audio``: on audio instead of states. Other keywords are those of ``spec_with``."""

    def made(*, trained: bool = False, audio: bool = False, precision: str = "fp32", **changes: Any) -> SpeechTrainable:
        cache = audio_cache if audio else states_cache
        return build(spec_with(**changes), base, cache, trained=trained, precision=precision)

    return made


def loss_of(trainable: SpeechTrainable, *indices: int, part: str = "train", step: int = 0) -> Any:
    """The summed loss of pieces in one batch."""
    return trainable.loss(trainable.collate(indices, replace(DRAW, step=step), part)).total


def test_training_changes_only_lora_and_lowers_the_loss(make: Build) -> None:
    """After steps of SGD the loss is finite and lower, and no other parameter has a gradient."""
    trainable = make()
    trained = {name: p for name, p in trainable.module.named_parameters() if p.requires_grad}
    assert trained and all("lora_" in name and p.dtype == torch.float32 for name, p in trained.items())
    optimizer = torch.optim.SGD(trained.values(), lr=0.002)
    losses = []
    for _ in range(4):
        loss = loss_of(trainable, 0, 1, 2)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert all(after < before for before, after in itertools.pairwise(losses))
    assert all(p.grad is None for p in trainable.module.parameters() if not p.requires_grad)


def test_the_loss_is_the_models_own(make: Build) -> None:
    """Loss and gradients of a batch of unlike lengths are those that transformers makes of labels padded with -100."""
    trainable = make(trained=True)
    batch = trainable.collate(ALL, DRAW)
    labels = torch.full((len(TEXTS), batch.ids.shape[1]), -100)
    for row, item in zip(labels, batch.items, strict=True):
        row[: len(item.labels)] = torch.tensor(item.labels)
    loss: Any = trainable.loss(batch).total
    weight = len(batch.targets)
    loss.backward()
    found = gradients(trainable.module)
    mean = trainable.module(encoder_outputs=(batch.states,), labels=labels, use_cache=False).loss
    (mean * weight).backward()
    assert loss.item() == pytest.approx(mean.item() * weight, rel=1e-5)
    for name, gradient in gradients(trainable.module).items():
        assert (found[name] - gradient).norm() <= 1e-4 * gradient.norm() > 0, name


def test_what_is_predicted(make: Build) -> None:
    """Start, language, task go in; language to end of text come out, although the end is the token that pads."""
    trainable = make()
    module, tokenizer = trainable.module, trainable.hearing.tokenizer
    batch = trainable.collate([0, 1], DRAW)
    prompt = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    assert tokenizer.convert_ids_to_tokens(batch.ids[0, :4].tolist()) == prompt
    assert tokenizer.convert_ids_to_tokens(batch.ids[1, 1:2].tolist()) == ["<|de|>"]
    said = [*batch.items[0].labels, *batch.items[1].labels]
    assert batch.targets.tolist() == said
    assert batch.targets.tolist().count(module.config.pad_token_id) == 2
    assert tokenizer.decode(batch.items[0].labels, skip_special_tokens=True) == f" {TEXTS[0]}"
    assert batch.ids.flatten()[batch.places[1:3]].tolist() == said[:2]


def test_padding_changes_nothing(make: Build) -> None:
    """Pieces of different lengths lose the same alone as in one padded batch."""
    trainable = make(trained=True)
    alone = sum(loss_of(trainable, index).item() for index in ALL)
    assert loss_of(trainable, *ALL).item() == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("targets", ["default", "decoder-linear"])
def test_eight_at_once_are_eight_after_each_other(make: Build, targets: str) -> None:
    """The gradients of a batch of 8 are those of 8 batches of 1 added up."""
    trainable = make(trained=True, targets=targets)
    loss_of(trainable, *ALL).backward()
    whole = gradients(trainable.module)
    for index in ALL:
        loss_of(trainable, index).backward()
    accumulated = gradients(trainable.module)
    assert whole.keys() == accumulated.keys() != set()
    for name, gradient in whole.items():
        assert (accumulated[name] - gradient).norm() <= 1e-4 * gradient.norm() > 0, name


def test_weights_count_predicted_tokens(make: Build) -> None:
    """The weight of a piece is its number of labels, and a batch's is their sum."""
    trainable = make()
    lengths = [len(item.labels) for item in trainable.parts["train"]]
    assert [trainable.weight(index) for index in ALL] == lengths
    assert trainable.loss(trainable.collate(ALL, DRAW)).weight == sum(lengths)
    assert (trainable.num_samples, trainable.num_evaluation) == (len(TEXTS), 3)


def test_micro_batches_hold_transcripts_of_like_length(make: Build) -> None:
    """Every piece is in one batch, and the batches pad less than the order itself would."""
    trainable = make()
    lengths = [len(item.labels) for item in trainable.parts["train"]]

    def padded(batches: list[list[int]]) -> int:
        return sum(max(lengths[index] for index in batch) * len(batch) for batch in batches)

    batches = trainable.micro_batches(ALL, 2)
    assert sorted(index for batch in batches for index in batch) == list(ALL)
    assert padded(batches) < padded([[0, 1], [2, 3], [4, 5], [6, 7]])


def test_only_the_adapters_dropout_acts_and_only_in_training(make: Build) -> None:
    """The base's own dropout (0.5) is off; the adapter's draws in training, never in evaluation."""
    still = make(trained=True)
    assert loss_of(still, 0).item() == loss_of(still, 0).item()
    shaken = make(trained=True, dropout=0.5)
    assert loss_of(shaken, 0, part="evaluation").item() == loss_of(still, 0, part="evaluation").item()
    assert loss_of(shaken, 0).item() != loss_of(shaken, 0).item()
    assert loss_of(shaken, 0, part="evaluation").item() == loss_of(still, 0, part="evaluation").item()


def test_label_smoothing_acts_in_training_alone(make: Build) -> None:
    """A share of the target goes to all tokens alike; the held-out loss stays plain cross-entropy."""
    plain, smooth = (make(trained=True, options={"label_smoothing": share}) for share in (0.0, 0.2))
    batch = smooth.collate([0, 1], DRAW)
    with torch.no_grad():
        assert batch.states is not None
        logs = functional.log_softmax(smooth._logits(batch.states, batch), -1)
        uniform = -logs.mean(-1).sum().item()
    assert smooth.loss(batch).total.item() == pytest.approx(0.8 * loss_of(plain, 0, 1).item() + 0.2 * uniform, rel=1e-5)
    assert loss_of(smooth, 0, 1, part="evaluation").item() == loss_of(plain, 0, 1, part="evaluation").item()


def test_a_cached_encoder_is_dropped_from_memory(make: Build) -> None:
    """The encoder's weights lie nowhere; a step, the held-out loss and the word error rate need none of them."""
    trainable = make()
    assert all(parameter.is_meta for parameter in trainable.module.model.encoder.parameters())
    assert not any(parameter.is_meta for parameter in trainable.module.model.decoder.parameters())
    loss_of(trainable, 0, 1).backward()
    assert torch.isfinite(loss_of(trainable, 0, 1))
    assert evaluate(trainable, seed=0, batch_size=2)["loss"] > 0
    assert set(trainable.measure(lambda: False) or {}) == {"wer", "wer_raw", "cer", "cer_raw"}


def test_an_encoder_that_is_trained_runs_in_the_step(make: Build) -> None:
    """With targets in the encoder no states are cached, and every LoRA layer of both halves has a gradient."""
    trainable = make(trained=True, audio=True, targets="encoder")
    assert trainable.collate([0], DRAW).states is None
    loss_of(trainable, 0, 1).backward()
    reached = [name for name, gradient in gradients(trainable.module).items() if gradient.norm() > 0]
    assert sum(name.startswith("model.encoder") for name in reached) == 2 * 2 * 2
    assert sum(name.startswith("model.decoder") for name in reached) == 2 * 4 * 2


def test_spec_augment_masks_in_training_alone(make: Build) -> None:
    """Each step hears other masks, the same step the same; the held-out loss is that of the plain audio."""
    plain, masked = (
        make(trained=True, audio=True, targets="encoder", options={"spec_augment": on}) for on in (False, True)
    )
    losses = [loss_of(masked, 0, 1, step=step).item() for step in (0, 1, 2, 1)]
    assert losses[1] == losses[3] and len({*losses, loss_of(plain, 0, 1).item()}) == 4
    assert loss_of(masked, 0, 1, part="evaluation").item() == loss_of(plain, 0, 1, part="evaluation").item()


def test_a_frozen_encoder_in_the_step_hears_what_the_cache_holds(
    make: Build, base: Base, tmp_path: Path, states_cache: Prepared
) -> None:
    """With SpecAugment the encoder runs without LoRA; its held-out loss is that on its own states in fp32."""
    trainable = make(trained=True, audio=True, options={"spec_augment": True})
    assert not any(parameter.is_meta for parameter in trainable.module.parameters())
    batch = trainable.collate([0, 1], DRAW, "evaluation")
    with torch.no_grad():
        states = trainable.hearing.states(batch.items)
    cached = build(spec_with(), base, states_cache, trained=True)
    expected = cached.loss(replace(batch, states=states)).total.item()
    assert trainable.loss(batch).total.item() == pytest.approx(expected, rel=1e-6)


def test_the_error_rates_are_those_of_the_live_module(make: Build) -> None:
    """They are what the module as it is hears without dropout; its mode and all random numbers stay as they were."""
    trainable = make(dropout=0.5)
    trainable.module.train()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    untrained = trainable.measure(lambda: False)
    randomise(trainable.module)
    measured = trainable.measure(lambda: False)
    assert trainable.module.training and torch.equal(torch.get_rng_state(), before)
    assert measured == trainable.measure(lambda: False) != untrained
    items, tokenizer = trainable.parts["evaluation"], trainable.hearing.tokenizer
    heard = transcribe(trainable.module.eval(), tokenizer, items, trainable.hearing.states, max_new_tokens=8)
    assert measured == error_rates.measure(items, heard, tokenizer)
    trainable.measure(lambda: False)
    assert not trainable.module.training


@pytest.mark.parametrize("calls", [0, 1, 4])
def test_a_stop_ends_the_measuring(make: Build, calls: int) -> None:
    """Once asked and told to stop, it gives None and leaves the module in its mode."""
    trainable, asked = make(), itertools.count()
    trainable.module.train()
    assert trainable.measure(lambda: next(asked) >= calls) is None
    assert next(asked) == calls + 1
    assert trainable.module.training


def test_nothing_held_out_is_nothing_measured(make: Build) -> None:
    """Without held-out clips there is no error rate."""
    trainable = make()
    trainable.parts = {"train": trainable.parts["train"]}
    assert trainable.measure(lambda: False) == {}


def test_trimmed_states_are_trimmed_for_every_use(make: Build) -> None:
    """``encoder_frames`` cuts the states of training and held-out pieces alike."""
    trainable = make(options={"encoder_frames": 200})
    for part in ("train", "evaluation"):
        states = trainable.collate([0, 1], DRAW, part).states
        assert states is not None and states.shape == (2, 200, 16)


def test_bf16_autocast_keeps_the_loss_in_fp32(make: Build) -> None:
    """Under bf16 autocast the loss is fp32, close to the exact one, and its gradients reach fp32 weights."""
    exact = make(trained=True)
    rough = make(trained=True, precision="bf16")
    loss = loss_of(rough, 0, 1)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(loss_of(exact, 0, 1).item(), rel=0.05)
    assert loss.item() != loss_of(exact, 0, 1).item()
    assert all(gradient.dtype == torch.float32 for gradient in gradients(rough.module).values())


@pytest.mark.parametrize("audio", [False, True])
@pytest.mark.parametrize(
    ("precision", "dtype"),
    [(p, d) for p in ("bf16", "fp16", "fp32") for d in ("float32", "bfloat16", "float16") if (p, d) not in MIXED],
)
def test_every_precision_goes_with_every_type(
    base: Base, states_cache: Prepared, audio_cache: Prepared, precision: str, dtype: str, audio: bool
) -> None:
    """Whatever the base is kept in (but for two types of 16 bits), loss, gradients and error rates are had."""
    targets, cache = ("all-linear", audio_cache) if audio else ("default", states_cache)
    trainable = build(spec_with(targets=targets), base, cache, trained=True, precision=precision, dtype=dtype)
    loss_of(trainable, 0, 1, 2).backward()
    assert all(gradient.isfinite().all() for gradient in gradients(trainable.module).values())
    assert evaluate(trainable, seed=0, batch_size=2).keys() == {"loss", "wer", "wer_raw", "cer", "cer_raw"}
