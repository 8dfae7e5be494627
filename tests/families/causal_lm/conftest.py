"""The tiny language model of tests.support.tiny_lm, as a base and as a trainable."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from loraruner.data.samples import Message, Row
from loraruner.families.base import Base, Runtime, Samples
from loraruner.families.causal_lm import FAMILY
from loraruner.families.causal_lm.trainable import CausalTrainable
from loraruner.spec import Data, Lora, Model, Output, Spec, TextOptions
from tests.support.tiny_lm import byte_tokenizer, write_tiny_lm

ROWS = (
    Row(id="a.jsonl:1", messages=(Message("user", "Where is it?"), Message("assistant", "Here."))),
    Row(id="a.jsonl:2", messages=(Message("user", "And the other one?"), Message("assistant", "Over there."))),
    Row(id="a.jsonl:3", messages=(Message("user", "Go"), Message("assistant", "No, never; not at all."))),
    Row(id="a.jsonl:4", prompt="Question: 2?\nAnswer:", text=" two"),
    Row(id="a.jsonl:5", text="Only text, all of it trained."),
)
RUNTIME = Runtime(device="cpu", precision="fp32", dtype="float32", num_threads=1)

Build = Callable[..., CausalTrainable]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base as a Hugging Face folder; tests must not change it."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    write_tiny_lm(folder)
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
