"""Which tokens of a row are trained."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from loraruner.data.samples import Message, Row
from loraruner.families.causal_lm.encode import encode, render_chat

MakeTokenizer = Callable[..., Any]


def decoded(tokenizer: Any, row: Row, max_length: int = 500) -> tuple[str, str]:
    """The whole row and its trained tokens, as text."""
    (tokens,) = encode(tokenizer, [row], max_length).rows
    kept = tokens.ids[tokens.trained.astype(bool)]
    return tokenizer.decode(tokens.ids), tokenizer.decode(kept)


def chat(*turns: tuple[str, str]) -> Row:
    return Row(id="a.jsonl:7", messages=tuple(Message(role, content) for role, content in turns))


def test_assistant_turns_and_their_end_marks_are_trained(make_tokenizer: MakeTokenizer) -> None:
    """In a chat of two turns exactly both answers with <|im_end|> are trained, no newline of the template."""
    row = chat(("system", "S"), ("user", "hi"), ("assistant", "One."), ("user", "more"), ("assistant", "Zwei ü."))
    whole, trained = decoded(make_tokenizer(), row)
    assert whole.endswith("<|im_start|>assistant\nZwei ü.<|im_end|>\n")
    assert trained == "One.<|im_end|>Zwei ü.<|im_end|>"


def test_a_chat_row_is_what_the_template_makes(make_tokenizer: MakeTokenizer) -> None:
    """The tokens of a conversation are those of apply_chat_template, to the last one."""
    tokenizer = make_tokenizer()
    row = chat(("user", "hi"), ("assistant", "One."))
    turns = [{"role": message.role, "content": message.content} for message in row.messages]
    (tokens,) = encode(tokenizer, [row], 500).rows
    assert tokens.ids.tolist() == tokenizer.apply_chat_template(turns, return_dict=False)


def test_what_follows_the_last_answer_is_left_out(make_tokenizer: MakeTokenizer) -> None:
    """A user turn that nobody answers is not part of the sample."""
    whole, _ = decoded(make_tokenizer(), chat(("user", "hi"), ("assistant", "One."), ("user", "and?")))
    assert "and?" not in whole


def test_turns_that_a_template_rewrites_are_not_trained(make_tokenizer: MakeTokenizer) -> None:
    """With a template that shows the last answer otherwise than earlier ones, only the last is trained."""
    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['role'] == 'assistant' and loop.last %}(thought){% endif %}{{ m['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    row = chat(("user", "a"), ("assistant", "One."), ("user", "b"), ("assistant", "Two."))
    assert decoded(make_tokenizer(template), row)[1] == "(thought)Two.<|im_end|>"


def test_prompts_are_never_trained(make_tokenizer: MakeTokenizer) -> None:
    """Of a prompt and completion, the completion and the end of text are trained."""
    whole, trained = decoded(make_tokenizer(), Row(id="r", prompt="2+2=", text="4"))
    assert (whole, trained) == ("2+2=4<|im_end|>", "4<|im_end|>")


def test_plain_text_is_trained_whole(make_tokenizer: MakeTokenizer) -> None:
    """Every token of a text row but the first, which nothing predicts, is trained."""
    assert decoded(make_tokenizer(), Row(id="r", text="abc"))[1] == "bc<|im_end|>"


def test_without_a_template_the_plain_form_is_used(make_tokenizer: MakeTokenizer) -> None:
    """Roles become headings, answers end with the end of text, and a prompt ends at the answer's heading."""
    tokenizer = make_tokenizer(None)
    whole, trained = decoded(tokenizer, chat(("user", "hi"), ("assistant", "One.")))
    assert whole == "### User:\nhi\n\n### Assistant:\nOne.<|im_end|>\n\n"
    assert trained == "One.<|im_end|>"
    assert render_chat(tokenizer, [Message("user", "hi")], prompt=True) == "### User:\nhi\n\n### Assistant:\n"


def test_rows_are_cut_from_the_right(make_tokenizer: MakeTokenizer) -> None:
    """A row longer than the limit keeps its first tokens and says that it was cut."""
    (tokens,) = encode(make_tokenizer(), [Row(id="r", text="abcdef")], 4).rows
    assert (len(tokens.ids), tokens.trained.tolist(), tokens.truncated) == (4, [0, 1, 1, 1], True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            Row(id="a.jsonl:9", prompt="x" * 20, text="y"),
            r"a\.jsonl:9: .*token 8; raise \$\.options\.max_length",
        ),
        (chat(("user", "hi")), r"a\.jsonl:7: it has no text to train on"),
    ],
)
def test_a_row_that_trains_nothing_is_named(make_tokenizer: MakeTokenizer, row: Row, message: str) -> None:
    """A row whose answer is cut off or absent is skipped with the reason and the fix."""
    found = encode(make_tokenizer(), [row], 8)
    assert not found.rows and re.search(message, f"{row.id}: {found.skipped[0]}")


def test_a_conversation_that_the_template_refuses_is_named(make_tokenizer: MakeTokenizer) -> None:
    """An exception that a template raises (no system role, say) is one sentence, and the row is skipped."""
    template = "{{ raise_exception('System role not supported') }}"
    found = encode(make_tokenizer(template), [chat(("system", "s"), ("assistant", "x"))], 500)
    assert "System role not supported" in found.skipped[0]


def test_a_template_without_a_prompt_is_refused(make_tokenizer: MakeTokenizer) -> None:
    """When the answer's place in the text can't be told exactly, the row is refused: nothing is guessed."""
    template = "{% if add_generation_prompt %}?{% else %}{{ messages[-1]['content'] }}{% endif %}"
    found = encode(make_tokenizer(template), [chat(("user", "hi"), ("assistant", "x"))], 500)
    assert "does not render this conversation as prompt and answer" in found.skipped[0]
