"""Write docs/advice.md from the rules of ``loraruner.advice`` (run by ``make docs``)."""

from collections.abc import Iterator
from pathlib import Path

from loraruner.advice import memory
from loraruner.advice.facts import NOUNS
from loraruner.advice.rule import Rule
from loraruner.advice.rules import KEYS, RULES
from loraruner.advice.sources import SOURCES, Source

PAGE = Path(__file__).parents[1] / "docs/advice.md"
HEAD = """# Advice: settings for your data

<!-- Written by ci/advice_docs.py from the rules in runner/loraruner/advice: change those and run `make docs`. -->

```console
$ loraruner data advise pictures/ --base s3://models/sd15/v1-5-pruned.safetensors --output job.json
$ loraruner data advise s3://datasets/voice/rows.jsonl --gpu-memory-gb 24 --format table
```

The command looks at the data, at the base's size and at the GPU, and proposes a job: every value with its reason and
where that is known from. Nothing is trained, and an existing job is never overwritten. Without `--base` the job names
the starter's; without `--gpu-memory-gb` the GPU of this machine counts. The result is the same for the same data, base
and GPU. `loraruner plan job.json` then measures what the advice estimates.

It is a place to start from, not the best there is: look at what the first run made, change one thing, and run again.

## The rules

Of several rules for one key the first that applies decides, in the order of this table. Keys that it lacks keep their
defaults ([job.md](job.md)).
"""
LADDER = """
## When memory is short

Where a GPU is known and the job would not fit, values give way in this order, one rung at a time, until it does. The
number of samples a step stays the same. The rank comes last: it hardly weighs.
"""
ESTIMATE = """
What a job takes is estimated, in GB as makers of GPUs count them, with {reserve:.1f} GB for CUDA on top; {usable:.0%}
of the GPU's memory counts as usable.

- Training is what the values are made to fit: {frozen} bytes for each frozen number of the base, {trained} for each
  trained one, and {backward:g} times what a forward pass keeps. That is, for Stable Diffusion 1.x, {pixel:,} bytes a
  pixel; for a language model {width} x width + {inner} x inner width for each token and layer (`all-linear`:
  {wide_width} and {wide_inner}); for Whisper {frame} bytes for each frame, decoder layer and unit of width.
  `bench/kept_memory.py` counts these.
- Proving and trying the adapter hold the base twice, for pictures and prompts in fp32, whatever the settings. Where
  only trying prompts would not fit, the job names none; where proving would not, a note says so.

It is a formula, not a measurement on a GPU. For Stable Diffusion 1.5 at 512 pixels, rank 16 and batch 1 it gives 2.9 GB
without the reserve, where SimpleTuner measures 2.87 (its page on segmented checkpointing); for Llama 3.2 3B at rank 32,
batch 4 and 768 tokens 24.4 GB, where PEFT's comparison of methods measures at most 22.3 with the logits of every token.
"""
MEASURED = """
## What advised jobs came to

**Pictures.** The job that `loraruner data advise examples/style/pictures --base examples/style/base` proposes, trained
on 1 CPU thread in 1.5 minutes: rank 8, alpha 16, 42 epochs of 43 pictures in batches of 4 (462 steps). How neon the
pictures of 24 prompts outside of the training set are (`examples/style/score.py`; real ones 0.953, bar 0.50):

| learning rate | before | after |
| --- | --- | --- |
| 2e-4, right for a base two hundred times as large | 0.014 | 0.168 |
| 1e-3 | 0.014 | 0.508 |
| 2e-3, as advised for this base | 0.014 | 0.636 |
| the example's own job: 2e-3, 500 steps of 6 pictures | 0.014 | 0.748 |

**Text.** The job for the 100 rows of `examples/voice` on its base, SmolLM2 with 135 million parameters: rank 16, alpha
32, 15 epochs in batches of 8, in bf16; but with the example's held-out rows in place of a tenth of these, so that all
100 were trained on. At a tenth of the example's learning rate it takes seven times as many steps, and forgets less than
half as much:

| job | loss on held-out rows | loss on general text |
| --- | --- | --- |
| before | 4.311 | 3.797 |
| as advised: 2e-4, cosine, 195 steps | 0.130 | 4.340 |
| the example's own: 2e-3, constant, 28 steps | 0.089 | 5.102 |

**Speech.** For the clips of `examples/dialect` the advice is the measured recipe to within its steps, so it was not run
again: rank 8, alpha 16, learning rate 1e-3, linear, 12 steps of warm-up, batches of 8, and 126 steps (6 epochs of the
162 clips that are left to train on). The example takes 120 (of all 180), and comes from 41.5 % of the words wrong to
2.5 %.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """The whole page."""
    return "".join([HEAD, *table(), LADDER, *ladder(), estimate(), *sources(), MEASURED])


def table() -> Iterator[str]:
    """One line a rule, by key and in the order in which they are asked."""
    yield "\n| key | for | when | value | why | known from |\n| --- | --- | --- | --- | --- | --- |\n"
    for rule in sorted(RULES, key=lambda rule: KEYS.index(rule.key)):
        yield line(
            f"`{rule.key}`", tasks(rule), rule.when, rule.says, rule.reason, "; ".join(map(reference, rule.sources))
        )


def tasks(rule: Rule) -> str:
    """What the samples of a rule's tasks are called."""
    return "all" if len(rule.tasks) == len(NOUNS) else ", ".join(NOUNS[task] for task in rule.tasks)


def ladder() -> Iterator[str]:
    """The keys that give way."""
    yield "\n| key | how |\n| --- | --- |\n"
    for key, how in memory.WAYS.items():
        yield line(f"`{key}`", how)


def estimate() -> str:
    """The formula with its numbers."""
    (width, inner), (wide_width, wide_inner) = memory.KEPT_TOKEN.values()
    return ESTIMATE.format(
        reserve=memory.RESERVE_BYTES / 2**30,
        usable=memory.USABLE,
        frozen=memory.FROZEN,
        trained=memory.TRAINED,
        backward=memory.BACKWARD,
        pixel=memory.KEPT_PIXEL,
        width=width,
        inner=inner,
        wide_width=wide_width,
        wide_inner=wide_inner,
        frame=memory.KEPT_FRAME,
    )


def sources() -> Iterator[str]:
    """Every source that a rule names, and what it says."""
    yield "\n## Where the rules are known from\n\n| source | what it says |\n| --- | --- |\n"
    named = {name for rule in RULES for name in rule.sources}
    for name, source in SOURCES.items():
        if name in named:
            yield line(link(source), source.says)


def reference(name: str) -> str:
    """A source in a table: its title."""
    return SOURCES[name].title


def link(source: Source) -> str:
    """A source with its address; files of the repository as seen from docs/."""
    target = source.link
    if "://" not in target:
        target = target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"
    return source.title if target == PAGE.name else f"[{source.title}]({target})"


def line(*cells: str) -> str:
    """One line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    main()
