"""How many tokens CLIP's tokenizer makes of a caption. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loraruner.errors import DataInvalid
from loraruner.families.base import TokenLimit

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

MARKS = 2  # start and end of text take a position each
WHOLE_WORD = "a</w>"  # how CLIP's vocabulary marks the end of a word
MOST_POSITIONS = 1 << 20  # a tokenizer saved without its limit says 10^30


def token_limit(base: Path | None) -> TokenLimit:
    """Content tokens that a caption may have: the positions of the text encoder without the two marks.

    ``base`` is a base model or a folder of its tokenizer alone; None stands for Stable Diffusion 1.x. Raises
    DataInvalid (65) where its files make no tokenizer.
    """
    tokenizer = _open(base) if base else _clip()

    def count(caption: str) -> int:
        return len(tokenizer(caption, add_special_tokens=False, verbose=False).input_ids)

    return TokenLimit(count, tokenizer.model_max_length - MARKS)


def _clip() -> CLIPTokenizer:
    from transformers import CLIPTokenizer

    from loraruner.families.diffusion.single_file import NUM_POSITIONS, clip_vocabulary

    vocabulary, merges = clip_vocabulary()
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=NUM_POSITIONS)


def _open(base: Path) -> CLIPTokenizer:
    """The tokenizer of a single file, of a pipeline's folder, or of a folder of its own."""
    from transformers import CLIPTokenizer

    from loraruner.families.diffusion.single_file import NUM_POSITIONS, load_tokenizer

    if base.is_file():
        return load_tokenizer(base)
    folder = base / "tokenizer" if (base / "tokenizer").is_dir() else base
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        is_clip = WHOLE_WORD in tokenizer.get_vocab()  # without any file transformers makes up three tokens
        reason = "no vocabulary of CLIP is there"
    except Exception as error:  # files that contradict themselves go wrong anywhere in the library
        is_clip, reason = False, (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    if not is_clip:
        raise DataInvalid(f"{folder}: holds no tokenizer of CLIP ({reason}); name a base model, or fetch it again")
    if tokenizer.model_max_length > MOST_POSITIONS:
        tokenizer.model_max_length = NUM_POSITIONS
    return tokenizer
