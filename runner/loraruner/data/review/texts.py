"""The texts of a sample that people may correct: a caption, a transcript, the answers of a row."""

import json
from collections.abc import Sequence
from dataclasses import replace

from loraruner.data.kinds import CLIPS, PICTURES
from loraruner.data.lines import BadValue
from loraruner.data.metadata import tidy_text
from loraruner.data.review.record import Reviewable
from loraruner.data.samples import Clip, Message, Picture

PLAIN_SUFFIX = ".txt"  # whose rows are single lines
MAX_CHARACTERS = 50_000  # of all texts of a sample: larger cells are too large for a CSV
ASSISTANT = "assistant"
LINE_ENDS = str.maketrans("\r\n", "  ")


def texts_of(sample: Reviewable) -> tuple[str, ...]:
    """The caption, the transcript, or every trained answer in order."""
    if isinstance(sample, Picture):
        return (sample.caption,)
    if isinstance(sample, Clip):
        return (sample.transcript,)
    answers = tuple(message.content for message in sample.messages if message.role == ASSISTANT)
    return answers or (sample.text,)


def with_texts(sample: Reviewable, texts: Sequence[str]) -> Reviewable:
    """The sample with other texts, as many as it has."""
    if isinstance(sample, Picture):
        return replace(sample, caption=texts[0])
    if isinstance(sample, Clip):
        return replace(sample, transcript=texts[0])
    if not sample.messages:
        return replace(sample, text=texts[0])
    following = iter(texts)
    turns = (Message(m.role, next(following)) if m.role == ASSISTANT else m for m in sample.messages)
    return replace(sample, messages=tuple(turns))


def is_one_line(sample: Reviewable) -> bool:
    """Whether the sample's text can have no line ends: captions, transcripts, the lines of a .txt."""
    return isinstance(sample, Picture | Clip) or sample.id.rpartition(":")[0].lower().endswith(PLAIN_SUFFIX)


def max_characters(sample: Reviewable) -> int:
    """How long a corrected text may be."""
    most = PICTURES.max_chars if isinstance(sample, Picture) else CLIPS.max_chars
    return min(most, MAX_CHARACTERS)


def is_editable(sample: Reviewable) -> bool:
    """Whether the texts are short enough to be corrected on a sheet."""
    return sum(map(len, texts_of(sample))) <= MAX_CHARACTERS


def tidied(sample: Reviewable, texts: Sequence[str]) -> tuple[str, ...]:
    """Corrected texts as a scan would read them back; BadValue when one is empty or they are too long."""
    if isinstance(sample, Picture | Clip):
        clean = tuple(tidy_text(text, PICTURES if isinstance(sample, Picture) else CLIPS) for text in texts)
    elif is_one_line(sample):
        clean = tuple(text.translate(LINE_ENDS).strip() for text in texts)
    else:
        clean = tuple(texts)
    if not all(text.strip() for text in clean):
        raise BadValue("its text is empty: reject it, or write one")
    if sum(map(len, clean)) > MAX_CHARACTERS:
        raise BadValue(f"its text is longer than {MAX_CHARACTERS:,} characters: shorten it")
    return clean


def to_cell(texts: Sequence[str]) -> str:
    """Texts as one cell of ``review.csv``: several as a JSON list."""
    return texts[0] if len(texts) == 1 else json.dumps(list(texts), ensure_ascii=False)


def from_cell(cell: str, num_texts: int) -> tuple[str, ...]:
    """The texts in a cell; BadValue when they are not as many as the sample has."""
    if num_texts == 1:
        return (cell,)
    try:
        texts = json.loads(cell)
    except (ValueError, RecursionError):
        texts = None
    if not isinstance(texts, list) or len(texts) != num_texts or not all(isinstance(text, str) for text in texts):
        raise BadValue(f"needs a JSON list of {num_texts} answers: correct texts in the sheet, not in the file")
    return tuple(texts)
