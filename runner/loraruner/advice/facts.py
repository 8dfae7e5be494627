"""What advice goes by: the data, the base model, the machine."""

from dataclasses import dataclass

PICTURES = "text-to-image"
TEXT = "text-generation"
SPEECH = "automatic-speech-recognition"
NOUNS = {PICTURES: "pictures", TEXT: "rows", SPEECH: "clips"}


@dataclass(frozen=True)
class BaseFacts:
    """Sizes of a base model. ``width`` is the hidden size, for a UNet the channels of its first block."""

    parameters: int  # of the module that gets the LoRA: UNet, language model, Whisper
    width: int
    layers: int = 0  # of a language model, of Whisper's decoder
    inner: int = 0  # width inside a feed-forward block
    vocabulary: int = 0  # tokens
    context: int = 0  # tokens that a language model takes; 0 where it does not say
    helpers: int = 0  # parameters of VAE and text encoder
    resolution: int = 0  # pixels of a side of the pictures that a UNet was made for
    english_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the rules look at. What a task does not have stays at its default."""

    task: str
    num_samples: int  # usable ones
    num_skipped: int = 0
    num_examples: int  # what training counts: of a long clip each piece
    side_px: int = 0  # nine in ten pictures have a shorter side of at least so many pixels
    longest_tokens: int = 0  # of a row with its prompt, of a transcript
    tokens_counted: bool = False  # by the base's tokenizer; else told from the number of bytes
    duration_s: float = 0.0  # of all clips together
    language: str | None = None  # of most clips
    prompts: tuple[str, ...] = ()  # from the samples that would be held out
    base: BaseFacts | None = None
    gpu_bytes: int | None = None  # memory of the GPU; None without one
    num_cpus: int = 1


@dataclass(frozen=True)
class Advice:
    """One value for one key of the job, why, and where that is known from."""

    key: str
    value: object
    reason: str
    sources: tuple[str, ...]  # names of ``sources.SOURCES``
