"""Vision-language models, which answer a question about the picture, and BLIP-2, which takes the same way.

A model is asked as its chat template says. Those without one are given the prompt as it is.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoModelForImageTextToText

from loraruner.data.label.loading import load_model, load_processor
from loraruner.data.label.sentences import GREEDY
from loraruner.errors import DataInvalid
from loraruner.spec.model import Caption

QUESTION = "Describe this picture in one sentence."
# What models without a chat template were trained to be told when a caption is wanted.
TOLD = {"paligemma": "caption en", "florence2": "<MORE_DETAILED_CAPTION>", "blip-2": ""}
BEGINS = "blip-2"  # goes on with the prompt, where the others answer it


def open_vision_language(folder: Path, settings: Caption, device: str) -> Callable[[Iterable[Any]], list[str]]:
    """What captions pictures by answering ``settings.prompt``, or else a question of ours."""
    model = load_model(AutoModelForImageTextToText, folder, device)
    processor = load_processor(folder)
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"  # what is generated follows the prompt directly
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if processor.chat_template is None:
        processor.chat_template = tokenizer.chat_template
    if processor.chat_template is None:
        ask = _plainly(processor, _told(folder, model, settings.prompt))
    else:
        ask = _in_chat(processor, settings.prompt or QUESTION)
    begins = settings.prompt if model.config.model_type == BEGINS and not model.config.is_encoder_decoder else ""

    def say(pictures: Iterable[Any]) -> list[str]:
        inputs = ask(list(pictures)).to(model.device, model.dtype)
        tokens = model.generate(**inputs, max_new_tokens=settings.max_new_tokens, **GREEDY)  # (B, T)
        if not model.config.is_encoder_decoder:
            tokens = tokens[:, _num_told(inputs, model) :]
        texts = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [f"{begins} {text.strip()}" if begins else text for text in texts]

    return say


def _num_told(inputs: Any, model: Any) -> int:
    """How many tokens come before the answer; a BLIP-2 that is told nothing begins with its queries and a mark."""
    if "input_ids" in inputs:
        return int(inputs["input_ids"].shape[1])
    return int(model.config.num_query_tokens) + 1


def _told(folder: Path, model: Any, prompt: str) -> str:
    told = prompt or TOLD.get(model.config.model_type)
    if told is None:
        raise DataInvalid(
            f"{folder}: has no chat template, and what a {model.config.model_type} is told when a caption is wanted "
            "is not known; say it in the prompt"
        )
    return told


def _in_chat(processor: Any, question: str) -> Callable[[Sequence[Any]], Any]:
    """The turn of a user who shows the picture and asks, as the chat template writes it."""

    def ask(pictures: Sequence[Any]) -> Any:
        turns = [
            [{"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": question}]}]
            for picture in pictures
        ]
        return processor.apply_chat_template(
            turns,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )

    return ask


def _plainly(processor: Any, told: str) -> Callable[[Sequence[Any]], Any]:
    def ask(pictures: Sequence[Any]) -> Any:
        if not told:
            return processor(images=pictures, return_tensors="pt")
        images = [[picture] for picture in pictures]
        return processor(images=images, text=[told] * len(images), padding=True, return_tensors="pt")

    return ask
