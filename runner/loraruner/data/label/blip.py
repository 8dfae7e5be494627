"""BLIP: a sentence about the picture, which may begin with words that are given (arXiv 2201.12086)."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from transformers import BlipForConditionalGeneration

from loraruner.data.label.loading import load_image_processor, load_model, load_tokenizer, pixel_values
from loraruner.data.label.sentences import GREEDY, require_room
from loraruner.spec.model import Caption


def open_blip(folder: Path, settings: Caption, device: str) -> Callable[[Iterable[Any]], list[str]]:
    """What captions pictures; ``settings.prompt`` is how every sentence begins."""
    model = load_model(BlipForConditionalGeneration, folder, device)
    image_processor, tokenizer = load_image_processor(folder), load_tokenizer(folder)
    start = tokenizer(settings.prompt, return_tensors="pt").input_ids if settings.prompt else None  # (1, T)
    num_tokens = 1 if start is None else start.shape[1] - 1  # the model begins with a mark, and drops the last one
    require_room(folder, num_tokens, settings, model.config.text_config.max_position_embeddings)

    def say(pictures: Iterable[Any]) -> list[str]:
        pixels = pixel_values(image_processor, pictures, model)
        inputs = {} if start is None else {"input_ids": start.repeat(len(pixels), 1).to(model.device)}
        tokens = model.generate(
            pixel_values=pixels, **inputs, max_new_tokens=settings.max_new_tokens, **GREEDY
        )  # (B, T), the prompt with them
        texts: list[str] = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return texts

    return say
