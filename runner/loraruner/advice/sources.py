"""Where the rules are known from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A paper, the documentation of another project, or a measurement of this one (then ``link`` is a path)."""

    title: str
    link: str
    says: str


SOURCES = {
    "lora": Source(
        "LoRA paper",
        "https://arxiv.org/abs/2106.09685",
        "Section 7.2: on query and value projections a rank of 1 to 8 does as well as 64.",
    ),
    "qlora": Source(
        "QLoRA code",
        "https://github.com/artidoro/qlora",
        "7 billion parameters: learning rate 2e-4, 16 rows a step, 1875 steps on the 9,846 rows of OASST1, which is 3 "
        "epochs, warm-up 3 %. More than 13 billion: 1e-4.",
    ),
    "regret": Source(
        "LoRA Without Regret",
        "https://huggingface.co/docs/trl/main/en/lora_without_regret",
        "As TRL repeats it: LoRA on every linear layer beats attention alone at equal size; fewer than 32 samples a "
        "step; the best learning rate hardly depends on the rank; the adapter has to hold what the data says.",
    ),
    "forgets": Source(
        "LoRA Learns Less and Forgets Less",
        "https://arxiv.org/abs/2405.09673",
        "Low ranks learn less than full fine-tuning on large data, and keep more of what the base knew.",
    ),
    "noise": Source(
        "Don't Decay the Learning Rate",
        "https://arxiv.org/abs/1711.00489",
        "Smith et al.: a falling learning rate calms the noise of training as a growing batch does.",
    ),
    "dreambooth": Source(
        "DreamBooth in diffusers",
        "https://github.com/huggingface/diffusers/blob/main/examples/dreambooth/README.md",
        "LoRA on 3 to 5 pictures: one a step, 500 steps, learning rate 1e-4; the script's rank is 4.",
    ),
    "diffusers": Source(
        "LoRA in diffusers",
        "https://huggingface.co/docs/diffusers/training/lora",
        "About 1,200 pictures: 4 a step, learning rate 1e-4, cosine, no warm-up, alpha equal to the rank; higher rates "
        "than 1e-4 can be used.",
    ),
    "sd15": Source(
        "Stable Diffusion 1.5",
        "https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5",
        "The model card: trained on pictures of 512 x 512.",
    ),
    "lima": Source(
        "LLaMA on LIMA",
        "https://huggingface.co/pkarypis/llama-lima",
        "7 billion parameters on 1,000 rows, all weights trained: the held-out loss is lowest after the third of ten "
        "epochs, and 19 % higher at the end.",
    ),
    "whisper": Source(
        "fast-whisper-finetuning",
        "https://github.com/Vaibhavs10/fast-whisper-finetuning",
        "whisper-large-v2 on 6,760 clips: query and value projections, alpha twice the rank, learning rate 1e-3, 50 "
        "steps of warm-up, 8 clips a step, 3 epochs.",
    ),
    "style": Source(
        "examples/style (measured)",
        "docs/advice.md",
        "48 pictures on a UNet of 4.3 million parameters: the figures at the end of this page.",
    ),
    "voice": Source(
        "examples/voice (measured)",
        "docs/advice.md",
        "100 rows on a language model of 135 million parameters: the figures at the end of this page.",
    ),
    "dialect": Source(
        "examples/dialect (measured)",
        "examples/dialect/README.md",
        "180 clips on whisper-base, rank 8, alpha 16, at 1e-3: 41.5 % of the words wrong before, 2.5 % after 120 steps "
        "of 8 clips.",
    ),
    "memory": Source(
        "bench/kept_memory.py (measured)",
        "bench/kept_memory.py",
        "Bytes that a forward pass keeps for the backward pass, counted on models of the real shapes.",
    ),
    "data": Source("data sets", "docs/data.md", "What is held out, and what is cut."),
    "models": Source("base models", "docs/models.md", "What a base has to be told."),
    "speech": Source(
        "speech", "docs/speech.md", "How many held-out words make a difference tell, and what measuring costs."
    ),
}


def told(names: tuple[str, ...]) -> str:
    """The sources of those names with their links, in one line."""
    return "; ".join(f"{SOURCES[name].title} ({SOURCES[name].link})" for name in names)


def titles(names: tuple[str, ...]) -> str:
    """The same without links."""
    return "; ".join(SOURCES[name].title for name in names)
