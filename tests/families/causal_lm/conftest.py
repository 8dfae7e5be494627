"""A random two-layer Llama with a byte-level tokenizer and a ChatML template, built in code."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from loraruner.data.samples import Message, Row
from loraruner.families.base import Base, Runtime, Samples
from loraruner.families.causal_lm import FAMILY
from loraruner.families.causal_lm.trainable import CausalTrainable
from loraruner.spec import Data, Lora, Model, Output, Spec, TextOptions

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ROWS = (
    Row(id="a.jsonl:1", messages=(Message("user", "Where is it?"), Message("assistant", "Here."))),
    Row(id="a.jsonl:2", messages=(Message("user", "And the other one?"), Message("assistant", "Over there."))),
    Row(id="a.jsonl:3", messages=(Message("user", "Go"), Message("assistant", "No, never; not at all."))),
    Row(id="a.jsonl:4", prompt="Question: 2?\nAnswer:", text=" two"),
    Row(id="a.jsonl:5", text="Only text, all of it trained."),
)
RUNTIME = Runtime(device="cpu", precision="fp32", dtype="float32", num_threads=1)

Build = Callable[..., CausalTrainable]


def byte_tokenizer(template: str | None = CHATML) -> Any:
    """One token a byte, one for "qz" (GGUF wants a merge), and three special ones."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: place for place, token in enumerate([*specials, *letters, "qz"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("q", "z")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=specials[1], eos_token=specials[2], unk_token=specials[0]
    )
    fast.chat_template = template
    return fast


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base as a Hugging Face folder; tests must not change it."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=260,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        attention_dropout=0.5,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def base(tiny_folder: Path) -> Base:
    return Base(path=tiny_folder, digest="ab" * 32, uri="hf://org/tiny@main")


@pytest.fixture
def spec() -> Spec:
    return Spec(
        name="tiny",
        task="text-generation",
        model=Model(base="hf://org/tiny@main"),
        data=Data(uri="rows.jsonl"),
        lora=Lora(rank=4, alpha=16.0),
        options=TextOptions(max_length=128, max_new_tokens=6, expect_phrases=("e",)),
        output=Output(uri="out", formats=("peft",)),
    )


@pytest.fixture
def build(spec: Spec, base: Base, tmp_path: Path) -> Build:
    """Prepare ROWS and build; keywords replace fields of ``spec.lora``; ``trained``: B is not zero."""

    def make(*, trained: bool = False, **lora: Any) -> CausalTrainable:
        changed = replace(spec, lora=replace(spec.lora, **lora))
        prepared = FAMILY.prepare(changed, base, Samples(ROWS, ROWS[:2]), tmp_path / "cache", RUNTIME)
        trainable = FAMILY.build(changed, base, prepared, RUNTIME)
        assert isinstance(trainable, CausalTrainable)
        if trained:
            generator = torch.Generator().manual_seed(1)
            for name, parameter in trainable.module.named_parameters():
                if "lora_B" in name:
                    parameter.data.normal_(std=0.3, generator=generator)
        return trainable

    return make


def edit_json(path: Path, **changes: Any) -> None:
    """Set top-level keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def make_tokenizer() -> Callable[..., Any]:
    """``byte_tokenizer``: with a template, or None for a tokenizer without one."""
    return byte_tokenizer
