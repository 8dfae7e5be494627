"""Greedy transcripts of pieces, as Whisper was meant to be decoded without timestamps (arXiv 2212.04356, section 2.3).

The decoder is driven here rather than by transformers' ``generate``, which asks the first parameter for the device (the
encoder may lie on none), rewrites the model's generation settings and needs language tables that old bases lack. A test
holds both to the same tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from loraruner.families.speech.items import Item
from loraruner.families.speech.tokens import prompt_tokens

PIECES_TOGETHER = 8

States = Callable[[Sequence[Item]], Tensor]


@torch.inference_mode()
def transcribe(
    model: nn.Module,
    tokenizer: Any,
    items: Sequence[Item],
    states: States,
    *,
    max_new_tokens: int,
    between: Callable[[], None] = lambda: None,
) -> list[str]:
    """What ``model`` hears in each of ``items``, in their order; "" for silence.

    ``model`` is a Whisper in eval mode, bare, with LoRA injected, or in a PeftModel; its encoder is used by ``states``
    alone, which gives (B, frames, D) on the decoder's device. At most ``max_new_tokens`` tokens a piece, the end token
    among them, and never more than the decoder has positions. ``between`` is called before each batch and after each
    token; what it raises ends the work. Deterministic, and draws no random number.
    """
    whisper: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    assert not whisper.model.decoder.training
    texts: dict[int, str] = {}
    for batch in _batches(items):
        between()
        pieces = [items[place] for place in batch]
        prompt = prompt_tokens(tokenizer, pieces[0].language, pieces[0].whisper_task)
        num_tokens = min(max_new_tokens, whisper.config.max_target_positions - len(prompt))
        tokens = _decode(whisper, states(pieces), _Rules(prompt, tokenizer.eos_token_id, num_tokens), between)
        said = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        texts.update(zip(batch, (text.strip() for text in said), strict=True))
    return [texts[place] for place in range(len(items))]


def _batches(items: Sequence[Item]) -> Iterator[list[int]]:
    """Places of items that share a prompt, those of like length together: a batch lasts as long as its longest."""

    def prompt(place: int) -> tuple[str, str]:
        return items[place].language or "", items[place].whisper_task

    order = sorted(range(len(items)), key=lambda place: (*prompt(place), len(items[place].labels)))
    for _, group in groupby(order, key=prompt):
        places = list(group)
        for first in range(0, len(places), PIECES_TOGETHER):
            yield places[first : first + PIECES_TOGETHER]


class _Rules:
    """What a batch begins with, what ends it, and how many tokens it may take."""

    def __init__(self, prompt: Sequence[int], end: int, num_tokens: int) -> None:
        self.prompt, self.end, self.num_tokens = list(prompt), end, num_tokens


def _decode(model: Any, states: Tensor, rules: _Rules, between: Callable[[], None]) -> Tensor:
    """The likeliest token after each, (B, at most rules.num_tokens); rows that have ended are filled with the end."""
    tokens = torch.tensor([rules.prompt] * len(states), device=states.device)  # (B, T)
    ended = torch.zeros_like(tokens[:, :1], dtype=torch.bool)  # (B, 1)
    always, at_first = _suppressed(model)
    said: list[Tensor] = []  # (B, 1) each
    cache = None
    while len(said) < rules.num_tokens and not ended.all():
        output = model.model.decoder(
            input_ids=tokens, encoder_hidden_states=states, past_key_values=cache, use_cache=True
        )
        cache = output.past_key_values
        logits = model.proj_out(output.last_hidden_state[:, -1]).float()  # (B, V)
        logits[:, always if said else always + at_first] = -torch.inf
        tokens = logits.argmax(-1, keepdim=True).masked_fill(ended, rules.end)  # (B, 1)
        ended |= tokens == rules.end
        said.append(tokens)
        between()
    return torch.cat(said, 1)


def _suppressed(model: Any) -> tuple[list[int], list[int]]:
    """Tokens that the base's generation settings never let out (noises, tags), and those not let out at first.

    Numbers that are no token say nothing, as in transformers; some settings hold -1.
    """
    settings, known = model.generation_config, range(model.config.vocab_size)
    always, at_first = settings.suppress_tokens or [], settings.begin_suppress_tokens or []
    return [token for token in always if token in known], [token for token in at_first if token in known]
