"""The rules that choose the settings of a job, in the order in which they are asked; ``docs/advice.md`` shows them."""

import math

from loraruner.advice.facts import PICTURES, SPEECH, TEXT
from loraruner.advice.rule import Rule, epochs, num_steps, steps_an_epoch
from loraruner.advice.shape import FEW_PICTURES, MANY_PICTURES, SHAPE

ALL = (PICTURES, TEXT, SPEECH)
SMALL_UNET = 100_000_000  # parameters; that of Stable Diffusion 1.5 has 860 million
LARGE_LANGUAGE_MODEL = 13_000_000_000
FEW_ROWS = 500
HIGH_RANK = 16
SEEN_PICTURES, SEEN_ROWS, SEEN_CLIPS = 2000, 1500, 1000

# In the order in which a job says them.
KEYS = (
    *(f"lora.{key}" for key in ("rank", "alpha", "targets")),
    *(f"training.{key}" for key in ("epochs", "batch_size", "gradient_accumulation_steps")),
    *(f"training.{key}" for key in ("learning_rate", "lr_scheduler", "warmup_steps")),
    *(f"options.{key}" for key in ("resolution", "max_length", "language")),
    *(f"evaluation.{key}" for key in ("fraction", "every_steps", "select")),
    "sampling.prompts",
)

# Once the size of a step is settled: how long, how fast, and what is measured.
PACE: tuple[Rule, ...] = (
    Rule(
        tasks=(PICTURES,),
        key="lora.alpha",
        when="a UNet of 100 million parameters or more, or no base given",
        applies=lambda f, v: not (f.base and f.base.parameters < SMALL_UNET),
        says="the rank",
        value=lambda f, v: v["lora.rank"],
        reason="alpha / rank is the strength in training: the source found its learning rate at 1",
        sources=("diffusers",),
    ),
    Rule(
        tasks=ALL,
        key="lora.alpha",
        says="twice the rank",
        value=lambda f, v: 2 * v["lora.rank"],
        reason="alpha / rank is the strength in training: the sources found their learning rates at 2",
        sources=("whisper", "dialect", "style", "voice"),
    ),
    Rule(
        tasks=(PICTURES,),
        key="training.epochs",
        says="2,000 / pictures, 5 to 100",
        value=lambda f, v: epochs(f, seen=SEEN_PICTURES, least=5, most=100),
        reason="about 2,000 pictures are seen in all, and large data five times: the fewer there are, the more often "
        "each; more than 100 times teaches them by heart",
        sources=("style", "dreambooth"),
    ),
    Rule(
        tasks=(TEXT,),
        key="training.epochs",
        says="1,500 / rows, 3 to 15",
        value=lambda f, v: epochs(f, seen=SEEN_ROWS, least=3, most=15),
        reason="about 1,500 rows are seen in all, and large data three times: the fewer there are, the more often "
        "each; later epochs mostly teach rows by heart",
        sources=("qlora", "lima", "voice"),
    ),
    Rule(
        tasks=(SPEECH,),
        key="training.epochs",
        says="1,000 / clips, 3 to 20",
        value=lambda f, v: epochs(f, seen=SEEN_CLIPS, least=3, most=20),
        reason="about 1,000 clips are heard in all, and large data three times; a long clip counts by its pieces",
        sources=("dialect", "whisper"),
    ),
    Rule(
        tasks=(PICTURES,),
        key="training.learning_rate",
        when="a UNet of fewer than 100 million parameters",
        applies=lambda f, v: f.base is not None and f.base.parameters < SMALL_UNET,
        says="2e-3",
        value=lambda f, v: 2e-3,
        reason="a tiny base learns too slowly at the rates of large ones",
        sources=("style",),
    ),
    Rule(
        tasks=(PICTURES,),
        key="training.learning_rate",
        when="fewer than 20 pictures, or more than 500",
        applies=lambda f, v: not FEW_PICTURES <= f.num_examples <= MANY_PICTURES,
        says="1e-4",
        value=lambda f, v: 1e-4,
        reason="few pictures are overdone sooner than they are learnt; many give enough steps to go slowly",
        sources=("dreambooth", "diffusers"),
    ),
    Rule(
        tasks=(TEXT,),
        key="training.learning_rate",
        when="a base of more than 13 billion parameters",
        applies=lambda f, v: f.base is not None and f.base.parameters > LARGE_LANGUAGE_MODEL,
        says="1e-4",
        value=lambda f, v: 1e-4,
        reason="large language models want smaller steps",
        sources=("qlora",),
    ),
    Rule(
        tasks=(SPEECH,),
        key="training.learning_rate",
        says="1e-3",
        value=lambda f, v: 1e-3,
        reason="found right for the smallest Whispers and the largest; halve it where the held-out loss jumps",
        sources=("dialect", "whisper"),
    ),
    Rule(
        tasks=(PICTURES, TEXT),
        key="training.learning_rate",
        says="2e-4",
        value=lambda f, v: 2e-4,
        reason="quick enough for a LoRA, and slow enough to keep what the base knows",
        sources=("qlora", "regret", "diffusers", "voice"),
    ),
    Rule(
        tasks=ALL,
        key="training.lr_scheduler",
        when="a rank above 16 and one sample in a forward pass",
        applies=lambda f, v: v["lora.rank"] > HIGH_RANK and v["training.batch_size"] == 1,
        says="cosine",
        value=lambda f, v: "cosine",
        reason="a high rank on single samples is unstable: the learning rate has to fall, and gradients are added up "
        "over several of them",
        sources=("noise",),
    ),
    Rule(
        tasks=(SPEECH,),
        key="training.lr_scheduler",
        says="linear",
        value=lambda f, v: "linear",
        reason="what the measured recipe took",
        sources=("dialect", "whisper"),
    ),
    Rule(
        tasks=(PICTURES, TEXT),
        key="training.lr_scheduler",
        says="cosine",
        value=lambda f, v: "cosine",
        reason="a falling learning rate calms the last steps",
        sources=("diffusers", "noise"),
    ),
    Rule(
        tasks=(SPEECH,),
        key="training.warmup_steps",
        says="a tenth of the steps",
        value=lambda f, v: num_steps(f, v) // 10,
        reason="the first steps at a rate of 1e-3 would throw the decoder off",
        sources=("dialect", "whisper"),
    ),
    Rule(
        tasks=(TEXT,),
        key="training.warmup_steps",
        says="3 % of the steps",
        value=lambda f, v: num_steps(f, v) * 3 // 100,
        reason="AdamW's first steps know little of the gradient's size",
        sources=("qlora",),
    ),
    Rule(
        tasks=(SPEECH,),
        key="evaluation.every_steps",
        when="clips are held out",
        applies=lambda f, v: f.num_samples > 1,
        says="a third of the steps",
        value=lambda f, v: math.ceil(num_steps(f, v) / 3),
        reason="the weights with the lowest word error rate are published; each measurement transcribes every held-out "
        "clip, so few are made",
        sources=("speech",),
    ),
    Rule(
        tasks=(PICTURES, TEXT),
        key="evaluation.every_steps",
        when="samples are held out",
        applies=lambda f, v: bool(v.get("evaluation.fraction")),
        says="an epoch, or a fifth of the steps where that is more",
        value=lambda f, v: max(steps_an_epoch(f, v), math.ceil(num_steps(f, v) / 5)),
        reason="a held-out loss that rises tells of over-fitting: fewer epochs, or more varied data",
        sources=("lima",),
    ),
    Rule(
        tasks=(TEXT,),
        key="evaluation.select",
        when="fewer than 500 rows, some held out",
        applies=lambda f, v: f.num_examples < FEW_ROWS and bool(v.get("evaluation.fraction")),
        says="best",
        value=lambda f, v: "best",
        reason="few rows are learnt by heart in late epochs: the weights with the lowest held-out loss are published",
        sources=("lima",),
    ),
    Rule(
        tasks=(PICTURES, TEXT),
        key="sampling.prompts",
        when="captions or prompts that can be shown",
        applies=lambda f, v: bool(f.prompts) and "sampling.prompts" not in v,
        says="up to four of the held-out samples",
        value=lambda f, v: list(f.prompts),
        reason="what the adapter makes of them can be compared with what is there",
        sources=("data",),
    ),
)
RULES = (*SHAPE, *PACE)
