"""What gives way when memory is short, in which order, and what an estimate is worth."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.advice import BaseFacts, advise, memory
from loraruner.advice.facts import PICTURES, SPEECH, TEXT
from tests.support.advised import BASES, GB, LLAMA_3B, UNET, advised_values, facts, values


def test_a_high_rank_on_single_samples_gets_a_falling_rate() -> None:
    """Rank 32 with batch 1, as memory leaves it: cosine, for that reason, over as many samples a step as before."""
    base = BaseFacts(parameters=3_000_000_000, width=3072, layers=28, inner=8192, vocabulary=128_256)
    found = advise(facts(TEXT, 20_000, base=base, gpu_bytes=10 * GB, longest_tokens=256))
    pieces = {piece.key: piece for piece in found.advice}
    assert pieces["lora.rank"].value == 32 and pieces["training.batch_size"].value == 1
    assert pieces["training.gradient_accumulation_steps"].value == 16
    scheduler = pieces["training.lr_scheduler"]
    assert scheduler.value == "cosine" and scheduler.reason.startswith("a rank above 16 and one sample")


@given(
    task=st.sampled_from([PICTURES, TEXT, SPEECH]),
    num=st.integers(1, 300_000),
    low=st.floats(0.1, 200),
    extra=st.floats(0, 100),
)
def test_less_memory_never_asks_for_more(task: str, num: int, low: float, extra: float) -> None:
    """Batch, size and rank never rise as memory falls; samples a step stay what the data asks for."""
    free = advised_values(task, num, base=BASES[task])
    found = [
        advised_values(task, num, base=BASES[task], gpu_bytes=round(gb * GB), longest_tokens=3000)
        for gb in (low, low + extra)
    ]
    for key in ("training.batch_size", "options.resolution", "options.max_length", "lora.rank"):
        if key in free:
            assert found[0][key] <= found[1][key]
    for each in found:
        assert each["training.batch_size"] * each["training.gradient_accumulation_steps"] == free["training.batch_size"]
        assert each["training.epochs"] == free["training.epochs"]


@pytest.mark.parametrize("task", [PICTURES, TEXT, SPEECH])
def test_the_order_of_the_ladder(task: str) -> None:
    """The batch falls to 1 first, then size or length, then the rank; each rung takes less than the one before."""
    looked = facts(task, 600, base=BASES[task], longest_tokens=1000)
    start = values(advise(looked))
    rungs = list(memory.rungs(looked, start))
    assert rungs[0] == start
    estimates = [memory.estimate(looked, rung) for rung in rungs]
    sizes = [each.training_bytes for each in estimates if each]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(rungs)
    changed = [{key for key in after if after[key] != before[key]} for before, after in pairwise(rungs)]
    batch = {"training.batch_size", "training.gradient_accumulation_steps"}
    num_halvings = int(math.log2(start["training.batch_size"]))
    size = {PICTURES: "options.resolution", TEXT: "options.max_length", SPEECH: ""}[task]
    then = [next(iter(keys)) for keys in changed[num_halvings:]]
    assert changed[:num_halvings] == [batch] * num_halvings
    assert then == sorted(then, key=lambda key: (key != size, key)) and then[-1] == "lora.rank"
    assert size == "" or size in then


def test_what_gave_way_says_why() -> None:
    """Only the values that changed say that memory is short, with both numbers; those that fit keep their reason."""
    found = advise(facts(PICTURES, base=UNET, gpu_bytes=5 * GB))
    reasons = {piece.key: piece.reason for piece in found.advice}
    short = {key for key, reason in reasons.items() if "GB by estimate, 4.8 GB are to be had" in reason}
    assert short == {"training.batch_size", "training.gradient_accumulation_steps", "sampling.prompts"}
    assert values(found)["training.batch_size"] == 2


@pytest.mark.parametrize(
    ("gpu_gb", "prompts", "said"),
    [(24, True, []), (8, False, []), (6, False, ["Proving"]), (1, False, ["Training", "Proving"])],
)
def test_what_no_setting_can_mend(gpu_gb: int, prompts: bool, said: list[str]) -> None:
    """Prompts are left out where only they don't fit; notes say what takes more than there is."""
    found = advise(facts(PICTURES, base=UNET, gpu_bytes=gpu_gb * GB))
    assert bool(values(found)["sampling.prompts"]) == prompts
    assert [note.split()[0] for note in found.notes if "by estimate" in note] == said


def test_the_estimate_agrees_with_what_others_measured() -> None:
    """Without the reserve at most a fifth above SimpleTuner's 2.87 GiB and PEFT's 22.3 GB, and never below."""
    pictures = {"options.resolution": 512, "lora.rank": 16, "training.batch_size": 1}
    text = {"lora.rank": 32, "training.batch_size": 4, "options.max_length": 768, "lora.targets": "default"}
    cases = (
        (facts(PICTURES), pictures, 2.87 * GB),
        (facts(TEXT, base=LLAMA_3B, longest_tokens=768), text, 22.3e9),
    )
    for looked, chosen, measured in cases:
        need = memory.estimate(looked, chosen)
        assert need and 1 <= (need.training_bytes - memory.RESERVE_BYTES) / measured <= 1.2


@pytest.mark.parametrize("base", [None, BaseFacts(parameters=7, width=0), BaseFacts(parameters=7, width=9)])
def test_unknown_sizes_are_not_guessed(base: BaseFacts | None) -> None:
    """Without a base's sizes nothing gives way, and a note says that memory was not looked at."""
    found = advise(facts(TEXT, base=base, gpu_bytes=GB))
    assert found.need is None and values(found)["training.batch_size"] == 8
    assert any("sizes are not known" in note for note in found.notes)
