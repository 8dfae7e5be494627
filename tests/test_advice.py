"""The rules: where each begins and ends, and what may never happen."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraruner.advice import BaseFacts, advise, document, memory
from loraruner.advice.facts import PICTURES, SPEECH, TEXT
from loraruner.advice.rule import ALWAYS, num_steps
from loraruner.advice.rules import KEYS, RULES
from loraruner.advice.sources import SOURCES
from loraruner.spec import load
from tests.support.advised import BASES, GB, LLAMA_3B, TINY_UNET, UNET, WHISPER_BASE, advised_values, facts, values


@pytest.mark.parametrize(
    ("task", "num", "key", "expected"),
    [
        (PICTURES, 19, "lora.rank", 4),
        (PICTURES, 20, "lora.rank", 8),
        (PICTURES, 500, "lora.rank", 8),
        (PICTURES, 501, "lora.rank", 16),
        (TEXT, 10_000, "lora.rank", 16),
        (TEXT, 10_001, "lora.rank", 32),
        (SPEECH, 10_001, "lora.rank", 8),
        (TEXT, 999, "lora.targets", "default"),
        (TEXT, 1000, "lora.targets", "all-linear"),
        (PICTURES, 5000, "lora.targets", "default"),
        (PICTURES, 5, "training.epochs", 100),
        (PICTURES, 20, "training.epochs", 100),
        (PICTURES, 21, "training.epochs", 96),
        (PICTURES, 180, "training.epochs", 12),
        (PICTURES, 400, "training.epochs", 5),
        (PICTURES, 4000, "training.epochs", 5),
        (TEXT, 50, "training.epochs", 15),
        (TEXT, 300, "training.epochs", 5),
        (TEXT, 52_000, "training.epochs", 3),
        (SPEECH, 10, "training.epochs", 20),
        (SPEECH, 180, "training.epochs", 6),
        (SPEECH, 6760, "training.epochs", 3),
        (PICTURES, 7, "training.batch_size", 1),
        (PICTURES, 8, "training.batch_size", 4),
        (TEXT, 31, "training.batch_size", 2),
        (TEXT, 32, "training.batch_size", 8),
        (TEXT, 2000, "training.batch_size", 8),
        (TEXT, 2001, "training.batch_size", 16),
        (SPEECH, 31, "training.batch_size", 2),
        (SPEECH, 9000, "training.batch_size", 8),
        (PICTURES, 19, "training.learning_rate", 1e-4),
        (PICTURES, 20, "training.learning_rate", 2e-4),
        (PICTURES, 500, "training.learning_rate", 2e-4),
        (PICTURES, 501, "training.learning_rate", 1e-4),
        (TEXT, 10, "training.learning_rate", 2e-4),
        (SPEECH, 10, "training.learning_rate", 1e-3),
        (PICTURES, 100, "lora.alpha", 8),
        (TEXT, 100, "lora.alpha", 32),
        (SPEECH, 100, "lora.alpha", 16),
        (PICTURES, 20, "evaluation.fraction", 0.1),
        (PICTURES, 4000, "evaluation.fraction", 0.05),
        (SPEECH, 2, "evaluation.fraction", 0.1),
        (SPEECH, 600, "evaluation.fraction", 0.1),
        (SPEECH, 6000, "evaluation.fraction", 0.01),
        (TEXT, 499, "evaluation.select", "best"),
        (SPEECH, 180, "training.warmup_steps", 12),
        (SPEECH, 180, "training.lr_scheduler", "linear"),
        (PICTURES, 180, "training.lr_scheduler", "cosine"),
        (PICTURES, 180, "training.gradient_accumulation_steps", 1),
        (SPEECH, 180, "evaluation.every_steps", 42),
        (PICTURES, 48, "evaluation.every_steps", 93),
        (TEXT, 52_000, "evaluation.every_steps", 3238),
        (SPEECH, 180, "options.language", "en"),
        (PICTURES, 180, "sampling.prompts", ["a cat", "a dog"]),
    ],
)
def test_the_edges_of_each_rule(task: str, num: int, key: str, expected: object) -> None:
    """The number of samples on either side of an edge gives what the table says."""
    assert advised_values(task, num)[key] == expected


@pytest.mark.parametrize(
    ("task", "num", "missing"),
    [
        (PICTURES, 19, {"evaluation.fraction", "evaluation.every_steps", "training.warmup_steps"}),
        (TEXT, 19, {"evaluation.fraction", "evaluation.every_steps", "evaluation.select"}),
        (TEXT, 500, {"evaluation.select", "options.resolution"}),
        (SPEECH, 100, {"sampling.prompts", "evaluation.select"}),
    ],
)
def test_what_is_left_to_its_default(task: str, num: int, missing: set[str]) -> None:
    """Where no rule applies the job says nothing of the key."""
    assert missing & advised_values(task, num).keys() == set()


@pytest.mark.parametrize(
    ("parameters", "rate", "alpha"), [(99_999_999, 2e-3, 16), (100_000_000, 2e-4, 8), (859_520_964, 2e-4, 8)]
)
def test_a_tiny_unet_learns_faster(parameters: int, rate: float, alpha: int) -> None:
    """Below 100 million parameters rate and strength are those of the measured small base."""
    base = BaseFacts(parameters=parameters, width=320, resolution=512)
    found = advised_values(PICTURES, base=base)
    assert (found["training.learning_rate"], found["lora.alpha"]) == (rate, alpha)


@pytest.mark.parametrize(("parameters", "rate"), [(13_000_000_000, 2e-4), (13_000_000_001, 1e-4)])
def test_a_large_language_model_learns_slower(parameters: int, rate: float) -> None:
    """Above 13 billion parameters the learning rate is halved."""
    assert advised_values(TEXT, base=BaseFacts(parameters=parameters, width=1))["training.learning_rate"] == rate


@pytest.mark.parametrize(
    ("side", "base", "expected"),
    [
        (2000, None, 512),
        (512, UNET, 512),
        (511, UNET, 448),
        (320, None, 320),
        (256, None, 256),
        (255, None, 256),
        (64, UNET, 256),
        (64, TINY_UNET, 64),
        (50, TINY_UNET, 48),
        (8, TINY_UNET, 32),
        (1000, TINY_UNET, 64),
    ],
)
def test_resolution(side: int, base: BaseFacts | None, expected: int) -> None:
    """As large as the pictures and the base allow, and no smaller than half of what the base was made for."""
    assert advised_values(PICTURES, side_px=side, base=base)["options.resolution"] == expected


@pytest.mark.parametrize(
    ("tokens", "context", "expected"),
    [(1, 0, 128), (128, 0, 128), (129, 0, 192), (5000, 0, 4096), (5000, 2048, 2048), (5000, 64, 4096), (300, 256, 256)],
)
def test_length(tokens: int, context: int, expected: int) -> None:
    """The longest row to the next 64 tokens, within what the base takes; an odd context is not believed."""
    base = BaseFacts(parameters=1, width=1, context=context)
    assert advised_values(TEXT, longest_tokens=tokens, base=base)["options.max_length"] == expected


TASKS = st.sampled_from([PICTURES, TEXT, SPEECH])
NUMS = st.integers(1, 300_000)
MEMORY = st.one_of(st.none(), st.floats(0.1, 200).map(lambda number: round(number * GB)))


@given(task=TASKS, num=NUMS, more=NUMS)
def test_more_data_never_gives_more_epochs(task: str, num: int, more: int) -> None:
    """Nor a higher share held out, nor a smaller batch or rank."""
    small, large = advised_values(task, num), advised_values(task, num + more)
    assert large["training.epochs"] <= small["training.epochs"]
    assert large.get("evaluation.fraction", 0) <= small.get("evaluation.fraction", 1)
    assert large["training.batch_size"] >= small["training.batch_size"]
    assert large["lora.rank"] >= small["lora.rank"]


@given(task=TASKS, num=NUMS, gpu_bytes=MEMORY, given_base=st.booleans(), side=st.integers(1, 20_000))
@settings(max_examples=50)
def test_every_job_is_valid(task: str, num: int, gpu_bytes: int | None, given_base: bool, side: int) -> None:
    """Whatever the facts, the job passes the checks without a fault or a warning, and says a step or more."""
    base = BASES[task] if given_base else None
    looked = facts(task, num, base=base, gpu_bytes=gpu_bytes, side_px=side, longest_tokens=side)
    found = advise(looked)
    draft = document.draft(task, "s3://data/set/", metadata=None, base=None, name=None)
    loaded = load(document.to_text(document.with_advice(draft, found.advice)).encode())
    assert loaded.warnings == ()
    assert num_steps(looked, values(found)) >= 1


def test_notes() -> None:
    """What a person has to do is said: few samples, bad ones, no base, no language, no GPU."""
    found = advise(facts(SPEECH, 30, num_skipped=20, language=None)).notes
    assert len(found) == 5
    assert "20 of 50 clips can't be used, and training refuses more than 10%" in found[1]
    assert "options.language" in found[2] and "--base" in found[3] and "--gpu-memory-gb" in found[4]
    assert advise(facts(SPEECH, 300, base=WHISPER_BASE, gpu_bytes=24 * GB)).notes == ()


def test_the_same_facts_give_the_same_advice() -> None:
    """Advice is a function of the facts."""
    looked = facts(TEXT, 200, base=LLAMA_3B, gpu_bytes=24 * GB)
    assert advise(looked) == advise(looked)


def test_the_table_is_whole() -> None:
    """Every rule has a key with a place, a reason, known sources, and words for its condition and value."""
    for rule in RULES:
        assert rule.key in KEYS and rule.says and rule.reason and rule.sources
        assert set(rule.sources) <= SOURCES.keys()
        conditional = rule.applies(facts(rule.tasks[0]), {"lora.rank": 8, "training.batch_size": 8}) is False
        assert rule.when != ALWAYS or not conditional
    assert {key for key in KEYS if not any(rule.key == key for rule in RULES)} == set()
    assert set(memory.WAYS) <= set(KEYS)


def test_values_are_plain_json() -> None:
    """Every value stands in a job as it is."""
    for task in BASES:
        found = values(advise(facts(task, base=BASES[task])))
        assert json.loads(json.dumps(found)) == found
