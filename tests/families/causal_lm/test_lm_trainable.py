"""The loss of a causal LM with LoRA."""

import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)

from loraruner.data.samples import Row
from loraruner.errors import SpecInvalid
from loraruner.families.base import Base, Draw, Runtime, Samples
from loraruner.families.causal_lm import FAMILY
from loraruner.families.causal_lm.trainable import CausalTrainable, plain_head
from loraruner.spec import Spec

RUNTIME = Runtime(device="cpu", precision="fp32", dtype="float32", num_threads=1)
Build = Callable[..., CausalTrainable]
DRAW = Draw(seed=0, purpose="train", epoch=0, occurrence=0, step=0)


def loss_of(trainable: CausalTrainable, *indices: int, part: str = "train") -> Any:
    """The summed loss of rows in one batch."""
    return trainable.loss(trainable.collate(indices, DRAW, part)).total


def test_training_changes_only_lora_and_lowers_the_loss(build: Build) -> None:
    """After steps of SGD the loss is finite and lower, and no other parameter has a gradient."""
    trainable = build()
    trained = {name: p for name, p in trainable.module.named_parameters() if p.requires_grad}
    assert trained and all("lora_" in name and p.dtype == torch.float32 for name, p in trained.items())
    optimizer = torch.optim.SGD(trained.values(), lr=0.01)
    losses = []
    for _ in range(4):
        loss = loss_of(trainable, 0, 1, 2)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert all(after < before for before, after in itertools.pairwise(losses))
    assert all(p.grad is None for p in trainable.module.parameters() if not p.requires_grad)


def test_padding_changes_nothing(build: Build) -> None:
    """Rows of different lengths lose the same alone as in one padded batch."""
    trainable = build(trained=True)
    alone = sum(loss_of(trainable, index).item() for index in range(5))
    assert loss_of(trainable, 0, 1, 2, 3, 4).item() == pytest.approx(alone, rel=1e-5)


def test_the_loss_is_the_models_own(build: Build) -> None:
    """Selected positions give what transformers computes from labels of -100 everywhere else."""
    trainable = build(trained=True)
    ids, trained = trainable.parts["train"].row(0)
    labels = torch.where(trained.bool(), ids.long(), -100)[None]
    with torch.no_grad():
        mean = trainable.module(input_ids=ids.long()[None], labels=labels).loss
        assert loss_of(trainable, 0).item() == pytest.approx(mean.item() * int(trained.sum()), rel=1e-5)


def test_prompts_are_no_targets(build: Build) -> None:
    """What a batch predicts is the answer with its end mark, each from the position before it."""
    trainable = build()
    batch = trainable.collate([0], DRAW)
    assert bytes(byte for byte in batch.targets.tolist()[-1:]) == b"\x02"
    assert batch.targets.tolist() == batch.ids[0][batch.places + 1].tolist()
    assert len(batch.targets) == len("Here.") + 1


def test_weights_count_trained_tokens(build: Build) -> None:
    """The weight of a row, and that of a batch, is its number of trained tokens."""
    trainable = build()
    weights = [trainable.weight(index) for index in range(trainable.num_samples)]
    assert weights[:2] == [len("Here.") + 1, len("Over there.") + 1]
    assert trainable.loss(trainable.collate(range(5), DRAW)).weight == sum(weights)
    assert (trainable.num_samples, trainable.num_evaluation, trainable.num_general) == (5, 2, 0)


def test_accumulated_gradients_are_those_of_the_whole_batch(build: Build) -> None:
    """Sums over micro-batches, divided by all weights, give the gradient of one batch of all rows."""
    gradients = []
    for groups in ([[0, 1, 2, 3, 4]], [[3], [0, 4], [1, 2]]):
        trainable = build(trained=True)
        for group in groups:
            loss_of(trainable, *group).backward()
        gradients.append([p.grad for p in trainable.module.parameters() if p.grad is not None])
    for whole, accumulated in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, accumulated, rtol=1e-4, atol=1e-5)


def test_only_the_adapters_dropout_acts_and_only_in_training(build: Build) -> None:
    """The base's own dropout (0.5 here) is off; the adapter's draws in training, never in evaluation."""
    still = build(trained=True)
    assert loss_of(still, 0).item() == loss_of(still, 0).item()
    shaken = build(trained=True, dropout=0.5)
    assert loss_of(shaken, 0).item() != loss_of(shaken, 0).item()
    assert loss_of(shaken, 0, part="evaluation").item() == loss_of(shaken, 0, part="evaluation").item()
    assert loss_of(shaken, 0).item() != loss_of(shaken, 0).item()


def test_only_plain_heads_take_the_short_way() -> None:
    """GPT-2's logits are its output layer's; Gemma 2 caps them afterwards, OPT goes past its own backbone."""
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=2, n_positions=8))
    sizes: dict[str, int] = {"vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    gemma = Gemma2ForCausalLM(Gemma2Config(**sizes, intermediate_size=8, head_dim=4, num_key_value_heads=1))
    opt = OPTForCausalLM(OPTConfig(**sizes, ffn_dim=8, word_embed_proj_dim=8, max_position_embeddings=8))
    assert [plain_head(model.eval()) for model in (gpt2, gemma, opt)] == [gpt2.lm_head, None, None]


def test_layers_that_peft_refuses_are_a_fault_of_the_job(spec: Spec, base: Base, tmp_path: Path) -> None:
    """Mamba's output projection, which PEFT does not support, is SpecInvalid at $.lora.targets."""
    mamba = MambaForCausalLM(MambaConfig(vocab_size=260, hidden_size=8, num_hidden_layers=1, state_size=2))
    folder = Path(shutil.copytree(base.path, tmp_path / "mamba"))
    mamba.save_pretrained(folder)
    local = replace(base, path=folder)
    changed = replace(spec, lora=replace(spec.lora, targets="all-linear"))
    prepared = FAMILY.prepare(changed, local, Samples((Row(id="r", text="abc"),)), tmp_path, RUNTIME)
    with pytest.raises(SpecInvalid, match=r"\$\.lora\.targets: PEFT refuses a layer .*out_proj"):
        FAMILY.build(changed, local, prepared, RUNTIME)


def test_both_ways_to_the_logits_agree(build: Build) -> None:
    """The model's own logits at the selected places give the same loss as the output layer on them alone."""
    trainable = build(trained=True)
    short = loss_of(trainable, 0, 1).item()
    trainable._head = None
    assert loss_of(trainable, 0, 1).item() == pytest.approx(short, rel=1e-5)


def test_bf16_autocast_keeps_the_loss_in_fp32(build: Build) -> None:
    """Under bf16 autocast the loss is fp32, close to the exact one, and its gradients reach fp32 weights."""
    exact = build(trained=True)
    rough = build(trained=True)
    rough.runtime = replace(rough.runtime, precision="bf16")
    loss = loss_of(rough, 0, 1)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(loss_of(exact, 0, 1).item(), rel=0.05)
    assert loss.item() != loss_of(exact, 0, 1).item()
