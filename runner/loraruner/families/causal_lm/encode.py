"""A row as text, its trained characters, and then its tokens.

Conversations are rendered by the tokenizer's chat template; what it adds for an assistant turn, the end mark
included, is trained. Without a template the plain form is used::

    ### User:
    {content}

    ### Assistant:
    {content}{end of text}

Rows with a ``prompt`` train the completion and the end of text; rows of ``text`` alone train all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loraruner.data.lines import BadValue
from loraruner.data.samples import Message, Row
from loraruner.families.causal_lm.template_limits import require_short, template_limited

Span = tuple[int, int]  # first trained character and the one after the last


@dataclass(frozen=True)
class Tokens:
    """One row: token ids, and 1 where the token is a trained target. Both (T,)."""

    ids: np.ndarray[Any, np.dtype[np.int32]]
    trained: np.ndarray[Any, np.dtype[np.uint8]]
    truncated: bool


def render_chat(tokenizer: Any, messages: Sequence[Message], *, prompt: bool) -> str:
    """The conversation as the model reads it; with ``prompt`` it ends where the assistant's answer begins.

    Raises what ``template_limited`` does.
    """
    if tokenizer.chat_template is None:
        return _render_plain(tokenizer, messages, prompt=prompt)
    turns = [{"role": message.role, "content": message.content} for message in messages]
    with template_limited():
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=prompt)
    return require_short(text)


def start_mark(tokenizer: Any) -> str:
    """The beginning-of-text token as text where this tokenizer puts one before every text, else nothing."""
    added = tokenizer("").input_ids[:1]
    return str(tokenizer.bos_token) if added and added[0] == tokenizer.bos_token_id else ""


@dataclass(frozen=True)
class Encoded:
    """The rows that can be trained on, in order, and why the others can't: reason by place among the rows given."""

    rows: list[Tokens]
    skipped: dict[int, str]


def encode(tokenizer: Any, rows: Sequence[Row], max_length: int) -> Encoded:
    """Tokenise, each row cut at ``max_length`` tokens; one that then trains nothing is skipped with the reason."""
    special = frozenset(tokenizer.all_special_ids) | frozenset(tokenizer.added_tokens_decoder)
    encoded = Encoded([], {})
    for place, row in enumerate(rows):
        try:
            text, spans = _render(tokenizer, row)
            found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
            trained = _trained_tokens(found["input_ids"], found["offset_mapping"], spans, special)
            encoded.rows.append(_cut(found["input_ids"], trained, max_length))
        except BadValue as fault:
            encoded.skipped[place] = str(fault)
    return encoded


def _render(tokenizer: Any, row: Row) -> tuple[str, list[Span]]:
    """The whole text of a row and its trained spans."""
    if row.messages:
        return _render_messages(tokenizer, row)
    begin = start_mark(tokenizer) + row.prompt
    text = begin + row.text + (tokenizer.eos_token or "")
    return text, [(len(begin), len(text))]


def _render_messages(tokenizer: Any, row: Row) -> tuple[str, list[Span]]:
    """Each assistant turn lies between the prompt before it and the conversation up to it.

    A template that rewrites earlier turns (one that drops old reasoning) makes them no prefixes of the whole:
    only exact ones are trained, at least one in a row. What follows the last answer is left out.
    """
    last = max((at for at, message in enumerate(row.messages) if message.role == "assistant"), default=-1)
    messages = row.messages[: last + 1]
    whole = render_chat(tokenizer, messages, prompt=False) if messages else ""
    spans = []
    for at, message in enumerate(messages):
        if message.role == "assistant":
            before = render_chat(tokenizer, messages[:at], prompt=True)
            upto = render_chat(tokenizer, messages[: at + 1], prompt=False)
            if whole.startswith(before) and whole.startswith(upto):
                spans.append((len(before), len(upto)))
    if messages and not spans:
        raise BadValue(
            "the base's chat template does not render this conversation as prompt and answer; "
            "use a base with another template, or rows of prompt and completion"
        )
    return whole, spans


def _render_plain(tokenizer: Any, messages: Sequence[Message], *, prompt: bool) -> str:
    end = tokenizer.eos_token or ""
    turns = [
        f"### {message.role.capitalize()}:\n{message.content}{end if message.role == 'assistant' else ''}\n\n"
        for message in messages
    ]
    return start_mark(tokenizer) + "".join(turns) + ("### Assistant:\n" if prompt else "")


def _trained_tokens(
    ids: Sequence[int], offsets: Sequence[Span], spans: Sequence[Span], special: frozenset[int]
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """1 for tokens with a character in a span; what a template adds after the end mark (a newline): 0."""
    begins, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
    trained = np.zeros(len(ids), dtype=np.uint8)
    for begin, end in spans:
        inside = np.flatnonzero((begins < end) & (ends > begin)).tolist()
        marks = [place for place in inside if ids[place] in special]
        trained[[place for place in inside if not marks or place <= marks[-1]]] = 1
    trained[:1] = 0  # nothing comes before the first token, so nothing predicts it
    return trained


def _cut(ids: Sequence[int], trained: np.ndarray[Any, np.dtype[np.uint8]], max_length: int) -> Tokens:
    kept = trained[:max_length]
    if not kept.any():
        raise BadValue(
            f"its first trained token lies behind token {max_length}; raise $.options.max_length"
            if trained.any()
            else "it has no text to train on; give it an answer or remove it"
        )
    return Tokens(np.array(ids[:max_length], dtype=np.int32), kept, len(ids) > max_length)
