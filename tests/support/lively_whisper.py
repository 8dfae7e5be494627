"""The tiny Whisper with weights so large that what is heard, and what was said, change what is said next."""

from pathlib import Path
from typing import Any

import torch
from transformers import WhisperForConditionalGeneration

from tests.support.tiny_whisper import edit_json, tiny_tokenizer, write_tiny_whisper

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_lively_whisper(folder: Path, *, multilingual: bool = True) -> None:
    """Write it as a Hugging Face folder. It says letters, and never comes to an end."""
    write_tiny_whisper(folder, multilingual=multilingual)
    edit_json(folder / "config.json", tie_word_embeddings=False)  # tied, it would repeat its last token for ever
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder, local_files_only=True)
    generator = torch.Generator().manual_seed(3)
    letters = tiny_tokenizer(multilingual=multilingual).convert_tokens_to_ids(list(LETTERS))
    with torch.no_grad():
        for name, weight in model.model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(std=1.0 if "decoder.embed_positions" in name else 0.5, generator=generator)
        model.proj_out.weight.zero_()
        model.proj_out.weight[letters] = torch.randn(len(letters), model.config.d_model, generator=generator)
    model.save_pretrained(folder)
