"""The rules for what one step takes in: the part held out, sizes, rank, layers, batch."""

import math

from loraruner.advice.facts import PICTURES, SPEECH, TEXT, Facts
from loraruner.advice.rule import MAX_HELD_OUT, MAX_HELD_OUT_CLIPS, MIN_HELD_OUT, Rule, held_out_fraction

NATIVE_PX = 512  # of Stable Diffusion 1.x
FEW_PICTURES, MANY_PICTURES = 20, 500
STEP_PX, SMALL_STEP_PX = 64, 8  # a UNet halves its latents three times; 8 pixels are one latent
LENGTH_STEP, MIN_LENGTH, MAX_LENGTH = 64, 128, 4096  # tokens


def native_px(facts: Facts) -> int:
    """Side of the pictures that the base was made for."""
    return facts.base.resolution if facts.base and facts.base.resolution else NATIVE_PX


def step_px(facts: Facts) -> int:
    """What the resolution is a multiple of."""
    return STEP_PX if native_px(facts) >= 4 * STEP_PX else SMALL_STEP_PX


def least_px(facts: Facts) -> int:
    """Half of what the base was made for."""
    return max(32, native_px(facts) // 2 // step_px(facts) * step_px(facts))


def _resolution(facts: Facts) -> int:
    fitting = facts.side_px // step_px(facts) * step_px(facts)
    return min(native_px(facts), fitting)


def _max_length(facts: Facts) -> int:
    wanted = math.ceil(facts.longest_tokens / LENGTH_STEP) * LENGTH_STEP
    context = facts.base.context if facts.base and facts.base.context >= MIN_LENGTH else MAX_LENGTH
    return min(MAX_LENGTH, context, max(MIN_LENGTH, wanted))


SHAPE: tuple[Rule, ...] = (
    Rule(
        tasks=(SPEECH,),
        key="evaluation.fraction",
        says="0.1, of no more than 60 clips",
        value=lambda f, v: held_out_fraction(f.num_samples, MAX_HELD_OUT_CLIPS),
        reason="without held-out clips nobody knows whether the adapter helps; sixty tell one word in five hundred",
        sources=("speech",),
    ),
    Rule(
        tasks=(PICTURES, TEXT),
        key="evaluation.fraction",
        when="20 samples or more",
        applies=lambda f, v: f.num_samples >= MIN_HELD_OUT,
        says="0.1, of no more than 200 samples",
        value=lambda f, v: held_out_fraction(f.num_samples, MAX_HELD_OUT),
        reason="the loss on what is never trained on is the only one that tells over-fitting",
        sources=("data", "lima"),
    ),
    Rule(
        tasks=(PICTURES,),
        key="options.resolution",
        when="one picture in ten smaller than half of what the base was made for",
        applies=lambda f, v: f.side_px < least_px(f),
        says="that half: 256 for a base of 512",
        value=lambda f, v: least_px(f),
        reason="small pictures have to be enlarged, as below half of its size a base draws nothing of use; larger ones "
        "would teach more",
        sources=("sd15",),
    ),
    Rule(
        tasks=(PICTURES,),
        key="options.resolution",
        says="the shorter side that nine in ten pictures have, at most what the base was made for (512)",
        value=lambda f, v: _resolution(f),
        reason="enlarged pictures teach blur, and a base draws best at the size that it was made for",
        sources=("sd15",),
    ),
    Rule(
        tasks=(TEXT,),
        key="options.max_length",
        says="the longest row, to the next 64 tokens, 128 to 4,096 and no more than the base takes",
        value=lambda f, v: _max_length(f),
        reason="longer rows lose their end; rows of like length share a batch, so short ones cost no more",
        sources=("data",),
    ),
    Rule(
        tasks=(SPEECH,),
        key="options.language",
        when="a language that rows or transcripts tell, or an English-only base",
        applies=lambda f, v: bool(f.language),
        says="that language",
        value=lambda f, v: f.language,
        reason="a multilingual Whisper has to be told; a dialect goes by the language it is written in",
        sources=("models",),
    ),
    Rule(
        tasks=(PICTURES,),
        key="lora.rank",
        when="fewer than 20 pictures",
        applies=lambda f, v: f.num_examples < FEW_PICTURES,
        says="4",
        value=lambda f, v: 4,
        reason="a small adapter has less room to learn so few pictures by heart",
        sources=("dreambooth", "lora"),
    ),
    Rule(
        tasks=(PICTURES,),
        key="lora.rank",
        when="more than 500 pictures",
        applies=lambda f, v: f.num_examples > MANY_PICTURES,
        says="16",
        value=lambda f, v: 16,
        reason="so many pictures say more than a rank of 8 holds",
        sources=("regret", "forgets"),
    ),
    Rule(
        tasks=(PICTURES, SPEECH),
        key="lora.rank",
        says="8",
        value=lambda f, v: 8,
        reason="enough for a style or a way of speaking; take 16 where the adapter shows no effect",
        sources=("lora", "style", "dialect"),
    ),
    Rule(
        tasks=(TEXT,),
        key="lora.rank",
        when="more than 10,000 rows",
        applies=lambda f, v: f.num_examples > 10_000,
        says="32",
        value=lambda f, v: 32,
        reason="so many rows say more than a rank of 16 holds",
        sources=("regret", "forgets"),
    ),
    Rule(
        tasks=(TEXT,),
        key="lora.rank",
        says="16",
        value=lambda f, v: 16,
        reason="enough for a tone or a trade; small data needs no higher rank",
        sources=("lora", "regret", "voice"),
    ),
    Rule(
        tasks=(TEXT,),
        key="lora.targets",
        when="1,000 rows or more",
        applies=lambda f, v: f.num_examples >= 1000,
        says="all-linear",
        value=lambda f, v: "all-linear",
        reason="what is to be known sits in the feed-forward layers too",
        sources=("regret",),
    ),
    Rule(
        tasks=(PICTURES, TEXT, SPEECH),
        key="lora.targets",
        says="default",
        value=lambda f, v: "default",
        reason="the attention layers of the measured recipes; few samples don't fill more",
        sources=("style", "voice", "dialect"),
    ),
    Rule(
        tasks=(PICTURES,),
        key="training.batch_size",
        when="fewer than 8 pictures",
        applies=lambda f, v: f.num_examples < 8,
        says="1",
        value=lambda f, v: 1,
        reason="larger batches leave too few steps",
        sources=("dreambooth",),
    ),
    Rule(
        tasks=(PICTURES,),
        key="training.batch_size",
        says="4",
        value=lambda f, v: 4,
        reason="steady enough, and small enough for many steps",
        sources=("diffusers",),
    ),
    Rule(
        tasks=(TEXT,),
        key="training.batch_size",
        when="more than 2,000 rows",
        applies=lambda f, v: f.num_examples > 2000,
        says="16",
        value=lambda f, v: 16,
        reason="steadier steps where there are plenty; LoRA does worse with 32 and more",
        sources=("qlora", "regret"),
    ),
    Rule(
        tasks=(TEXT, SPEECH),
        key="training.batch_size",
        when="fewer than 32 samples",
        applies=lambda f, v: f.num_examples < 32,
        says="2",
        value=lambda f, v: 2,
        reason="larger batches leave too few steps, and LoRA does well with small ones",
        sources=("regret",),
    ),
    Rule(
        tasks=(TEXT, SPEECH),
        key="training.batch_size",
        says="8",
        value=lambda f, v: 8,
        reason="what the measured recipes took",
        sources=("voice", "dialect", "whisper"),
    ),
    Rule(
        tasks=(PICTURES, TEXT, SPEECH),
        key="training.gradient_accumulation_steps",
        says="1",
        value=lambda f, v: 1,
        reason="forward passes are added up only where the memory is too small for the batch",
        sources=("memory",),
    ),
)
