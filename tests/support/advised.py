"""Facts of plain data sets, sizes of well-known bases, and advice as values by key."""

from typing import Any

from loraruner.advice import Advised, BaseFacts, Facts, advise
from loraruner.advice.facts import PICTURES, SPEECH, TEXT

UNET = BaseFacts(parameters=859_520_964, width=320, helpers=206_714_343, resolution=512)
TINY_UNET = BaseFacts(parameters=4_283_012, width=64, helpers=1_370_551, resolution=64)
LLAMA_3B = BaseFacts(parameters=3_212_749_824, width=3072, layers=28, inner=8192, vocabulary=128_256, context=131_072)
WHISPER_BASE = BaseFacts(parameters=72_593_920, width=512, layers=6, vocabulary=51_865)
BASES = {PICTURES: UNET, TEXT: LLAMA_3B, SPEECH: WHISPER_BASE}
GB = 2**30


def facts(task: str, num: int = 100, **more: Any) -> Facts:
    """A plain data set of ``num`` samples."""
    plain: dict[str, Any] = {
        PICTURES: {"side_px": 768, "prompts": ("a cat", "a dog")},
        TEXT: {"longest_tokens": 300, "prompts": ("Who?",)},
        SPEECH: {"longest_tokens": 40, "duration_s": 3.0 * num, "language": "en"},
    }[task]
    return Facts(task=task, num_samples=num, **{"num_examples": num, **plain, **more})


def values(advised: Advised) -> dict[str, Any]:
    """Value by key."""
    return {piece.key: piece.value for piece in advised.advice}


def advised_values(task: str, num: int = 100, **more: Any) -> dict[str, Any]:
    """What is advised for a plain data set."""
    return values(advise(facts(task, num, **more)))
