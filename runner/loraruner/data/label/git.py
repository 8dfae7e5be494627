"""GIT: a sentence about the picture, which may begin with words that are given (arXiv 2205.14100)."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import GitForCausalLM

from loraruner.data.label.loading import load_image_processor, load_model, load_tokenizer, pixel_values
from loraruner.data.label.sentences import GREEDY, require_room
from loraruner.spec.model import Caption


def open_git(folder: Path, settings: Caption, device: str) -> Callable[[Iterable[Any]], list[str]]:
    """What captions pictures; ``settings.prompt`` is how every sentence begins."""
    model = load_model(GitForCausalLM, folder, device)
    image_processor, tokenizer = load_image_processor(folder), load_tokenizer(folder)
    start = _start(tokenizer, model, settings.prompt)
    require_room(folder, max(len(start), 1), settings, model.config.max_position_embeddings)

    def say(pictures: Iterable[Any]) -> list[str]:
        pixels = pixel_values(image_processor, pictures, model)
        inputs = {"input_ids": torch.tensor([start] * len(pixels), device=model.device)} if start else {}
        tokens = model.generate(
            pixel_values=pixels, **inputs, max_new_tokens=settings.max_new_tokens, **GREEDY
        )  # (B, T), the prompt with them
        texts: list[str] = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return texts

    return say


def _start(tokenizer: Any, model: Any, prompt: str) -> list[int]:
    """The tokens of the prompt after the mark that begins a text; none without a prompt."""
    if not prompt:
        return []
    mark = model.config.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id
    return [mark, *tokenizer(prompt, add_special_tokens=False).input_ids]
