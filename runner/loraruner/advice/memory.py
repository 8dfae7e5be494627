"""What a job takes of a GPU's memory, by estimate, and what gives way where that is too much.

In this order: the batch (accumulation keeps the samples a step), then resolution or ``max_length``, the rank last,
since it hardly weighs. The estimate is a formula over sizes, no promise; ``loraruner plan`` measures on the machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loraruner.advice.facts import PICTURES, SPEECH, TEXT, Advice, Facts
from loraruner.advice.rule import Values
from loraruner.advice.shape import MIN_LENGTH, least_px, step_px

# Counted by bench/kept_memory.py, in bytes, in 16 bits with rank 8 and 16: what a forward pass keeps for the backward
# pass. Of a UNet for each pixel, by the channels of its first block (1 for Stable Diffusion's 320); of a language model
# for each token and layer, by width and by inner width; of Whisper's decoder for each frame, layer and unit of width.
KEPT_PIXEL = 3500
UNET_WIDTH = 320
KEPT_TOKEN = {"default": (21, 6), "all-linear": (30, 8.5)}
KEPT_FRAME = 9
FRAMES = 1500
BACKWARD = 1.5  # gradients on their way, and workspaces, beside what is kept
LOGIT = 12  # bytes: in 16 bits, in fp32, and the gradients of both
TRAINED = 16  # bytes a trained number: weight, gradient and AdamW's two moments in fp32
FROZEN, FULL = 2, 4  # bytes a frozen number: in 16 bits, in fp32
DECODED_PIXEL = 4300  # bytes that the VAE takes for a pixel that it draws, in fp32
RESERVE_BYTES = 1 << 29  # the CUDA context and its libraries
USABLE = 0.95  # of the memory: the rest is lost in gaps
MIN_RANK = 4
UNET_RANK = 199_296  # numbers that one rank adds to the attention layers of Stable Diffusion's UNet
# Of a task without a base: every text-to-image base is a Stable Diffusion 1.x.
SD15_UNET, SD15_HELPERS = 859_520_964, 206_714_343


@dataclass(frozen=True)
class Need:
    """Bytes that a job takes at its peak: in training, and when the adapter is proven and tried on a fresh base."""

    training_bytes: int
    proving_bytes: int
    trying_bytes: int


def estimate(facts: Facts, values: Values) -> Need | None:
    """None where the base's sizes are not known."""
    if facts.task == PICTURES:
        return _of_pictures(facts, values)
    base = facts.base
    if base is None or not (base.layers and base.width):
        return None
    kept = _kept_tokens(facts, values) if facts.task == TEXT else KEPT_FRAME * FRAMES * base.width * base.layers
    matrices = 8 * base.width  # query and value, in and out, of one attention and one rank; more for all-linear
    if facts.task != TEXT:
        matrices *= 2
    elif values["lora.targets"] == "all-linear":
        matrices += 8 * base.width + 3 * (base.width + base.inner)
    trained = TRAINED * values["lora.rank"] * base.layers * matrices
    training = FROZEN * base.parameters + trained + BACKWARD * kept * values["training.batch_size"]
    proving = 2 * FROZEN * base.parameters
    return _need(training, proving, (FROZEN + FULL) * base.parameters)


def _of_pictures(facts: Facts, values: Values) -> Need:
    """Proving casts the trained UNet to fp32 and loads a fresh one beside it; trying, a whole pipeline."""
    base = facts.base
    unet, helpers = (base.parameters, base.helpers) if base else (SD15_UNET, SD15_HELPERS)
    share = base.width / UNET_WIDTH if base and base.width else 1.0
    pixels = values["options.resolution"] ** 2
    trained = TRAINED * values["lora.rank"] * UNET_RANK * share
    kept = KEPT_PIXEL * share * pixels
    training = FROZEN * unet + trained + BACKWARD * kept * values["training.batch_size"]
    proving = 2 * FULL * unet
    return _need(training, proving, proving + FULL * helpers + DECODED_PIXEL * pixels)


def _kept_tokens(facts: Facts, values: Values) -> float:
    """Of one row, as long as rows may be."""
    base = facts.base
    assert base is not None
    by_width, by_inner = KEPT_TOKEN.get(values["lora.targets"], KEPT_TOKEN["all-linear"])
    layer = by_width * base.width + by_inner * (base.inner or 4 * base.width)
    token = layer * base.layers + LOGIT * base.vocabulary / BACKWARD
    return float(token * min(values["options.max_length"], max(facts.longest_tokens, 1)))


def _need(training: float, proving: float, trying: float) -> Need:
    return Need(*(round(each) + RESERVE_BYTES for each in (training, proving, trying)))


def usable_bytes(facts: Facts) -> int | None:
    """What of the GPU's memory a job can count on; None without one."""
    return None if facts.gpu_bytes is None else int(facts.gpu_bytes * USABLE)


def fit(facts: Facts, values: Values) -> list[Advice]:
    """A piece of advice for every value that gives way, so that the job fits, or comes as near to it as it can."""
    limit, first = usable_bytes(facts), estimate(facts, values)
    if limit is None or first is None:
        return []
    chosen: Values = values
    for chosen in rungs(facts, values):
        need = estimate(facts, chosen)
        if need is not None and need.training_bytes <= limit:
            break
    short = f"the data alone would ask for {in_gb(first.training_bytes)} by estimate, {in_gb(limit)} are to be had: "
    changed = [key for key, value in chosen.items() if value != values[key]]
    return [Advice(key, chosen[key], short + WAYS[key], ("memory",)) for key in changed]


def why_no_prompts(facts: Facts, need: Need | None) -> str:
    """Why nothing can be tried on the adapter; "" where something can, or where it is not known."""
    limit = usable_bytes(facts)
    if limit is None or need is None or facts.task == SPEECH or need.trying_bytes <= limit:
        return ""
    return (
        f"trying prompts holds the base a second time, in fp32: {in_gb(need.trying_bytes)} by estimate, "
        f"{in_gb(limit)} are to be had; loraruner infer tries them afterwards"
    )


WAYS = {
    "training.batch_size": "the batch gives way first",
    "training.gradient_accumulation_steps": "so many batches make one step, so that it sees as many samples as before",
    "options.resolution": "the smallest batch is too much still, and then size gives way",
    "options.max_length": "the smallest batch is too much still, and then length gives way; longer rows lose their end",
    "lora.rank": "nothing else is left to give way",
}


def rungs(facts: Facts, values: Values) -> Iterator[dict[str, Any]]:
    """The values themselves, then ever smaller ones."""
    rung = dict(values)
    yield dict(rung)
    while rung["training.batch_size"] > 1:
        rung["training.batch_size"] //= 2
        rung["training.gradient_accumulation_steps"] *= 2
        yield dict(rung)
    if facts.task == PICTURES:
        while rung["options.resolution"] - step_px(facts) >= least_px(facts):
            rung["options.resolution"] -= step_px(facts)
            yield dict(rung)
    while facts.task == TEXT and rung["options.max_length"] > 2 * MIN_LENGTH:
        rung["options.max_length"] = max(2 * MIN_LENGTH, rung["options.max_length"] // 2)
        yield dict(rung)
    while rung["lora.rank"] // 2 >= MIN_RANK:
        rung["lora.rank"] //= 2
        yield dict(rung)


def in_gb(num_bytes: int) -> str:
    """As vendors count the memory of a GPU."""
    return f"{num_bytes / 2**30:.1f} GB"
