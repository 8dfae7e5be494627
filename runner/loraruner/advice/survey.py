"""From a scanned data set to the facts that the rules go by."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from loraruner.advice.facts import PICTURES, SPEECH, TEXT, BaseFacts, Facts
from loraruner.advice.rule import MAX_HELD_OUT, MIN_HELD_OUT, held_out_fraction
from loraruner.data.audio import SAMPLE_RATE
from loraruner.data.review.record import judge, read_record
from loraruner.data.samples import Clip, Picture, Row, Scan, num_examples, require_usable
from loraruner.data.split import hold_out
from loraruner.errors import DataInvalid
from loraruner.spec import credentials
from loraruner.spec.model import Training

BYTES_A_TOKEN = 3  # of English text about four; other languages and code take more tokens
TURN_TOKENS = 8  # marks of a chat template around one turn
SYSTEM_TOKENS = 32  # what a template may say of its own before the first one
MAX_PROMPTS, MAX_PROMPT_CHARS = 4, 300
OPENING_WORDS = 12
TRANSCRIPTS_READ = 50
SEVERAL = ("no", "hr", "id")  # codes that stand for several languages, which Whisper keeps apart
Count = Callable[[str], int]


def survey(task: str, scan: Scan[Any], source: str, base: BaseFacts | None, count: Count | None) -> Facts:
    """What is in a data set; ``count`` are the base's tokens of a text, where there is a tokenizer.

    Raises DataInvalid (65) where no sample is usable.
    """
    require_usable(scan, 1.0, source)
    looked = _LOOKS[task](scan.samples, count or _guess)
    if task == SPEECH and base and base.english_only:
        looked["language"] = "en"
    return Facts(
        task=task,
        num_samples=len(scan.samples),
        num_skipped=len(scan.skipped),
        num_examples=num_examples(scan.samples),
        tokens_counted=count is not None,
        base=base,
        **looked,
    )


def without_rejected(scan: Scan[Any], path: Path) -> Scan[Any]:
    """What is left of the samples once those are gone that people rejected in the data's ``review.csv``."""
    record = read_record(path)
    if record is None:
        return scan
    rejected = judge(scan.samples, record).rejected
    return Scan(tuple(sample for sample in scan.samples if sample.id not in rejected), scan.skipped)


def _pictures(pictures: Sequence[Picture], count: Count) -> dict[str, Any]:
    sides = sorted(_shorter_side(picture.path) for picture in pictures)
    return {"side_px": sides[len(sides) // 10], "prompts": _prompts(pictures, lambda picture: picture.caption)}


def _shorter_side(path: Path) -> int:
    """Pixels of the shorter side, by the header alone: the picture was decoded when it was scanned."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return min(image.size)
    except OSError as error:
        raise DataInvalid(f"{path}: cannot be read any more ({error}); leave the data alone meanwhile") from error


def _rows(rows: Sequence[Row], count: Count) -> dict[str, Any]:
    longest = max(sum(count(text) + TURN_TOKENS for text in _texts(row)) for row in rows)
    return {"longest_tokens": longest + SYSTEM_TOKENS, "prompts": _prompts(rows, _question)}


def _texts(row: Row) -> Iterator[str]:
    """Everything that a row says, a piece each turn."""
    yield from (message.content for message in row.messages)
    if not row.messages:
        yield row.prompt + row.text


def _question(row: Row) -> str:
    """What a person would ask; of plain text its first words."""
    asked = next((message.content for message in row.messages if message.role == "user"), row.prompt)
    words = row.text.split()
    return asked or (" ".join(words[:OPENING_WORDS]) if len(words) > 2 * OPENING_WORDS else "")


def _clips(clips: Sequence[Clip], count: Count) -> dict[str, Any]:
    named = Counter(clip.language for clip in clips if clip.language)
    num_audio = sum(end - begin for clip in clips for begin, end in clip.pieces)
    return {
        "longest_tokens": max(count(clip.transcript) for clip in clips),
        "duration_s": num_audio / SAMPLE_RATE,
        "language": named.most_common(1)[0][0] if named else _language(clips),
    }


def _language(clips: Sequence[Clip]) -> str | None:
    """What the transcripts are written in, where that is plain."""
    from loraruner.data.quality.languages import language_of

    found = language_of("\n".join(clip.transcript for clip in islice(clips, TRANSCRIPTS_READ)))
    return found if found and found not in SEVERAL else None


def _prompts(samples: Sequence[Any], text_of: Callable[[Any], str]) -> tuple[str, ...]:
    """A few different texts of the samples that the job would hold out; none that looks like a credential."""
    fraction = held_out_fraction(len(samples), MAX_HELD_OUT) if len(samples) >= MIN_HELD_OUT else 0.0
    _, held = hold_out(samples, fraction, Training.seed)
    texts = (text_of(sample).strip() for sample in held or samples)
    shown = (text for text in texts if text and len(text) <= MAX_PROMPT_CHARS and not credentials.find(text))
    return tuple(islice(dict.fromkeys(shown), MAX_PROMPTS))


def _guess(text: str) -> int:
    """Tokens of a text, by its bytes."""
    return -(-len(text.encode()) // BYTES_A_TOKEN)


_LOOKS: dict[str, Callable[[Any, Count], dict[str, Any]]] = {PICTURES: _pictures, TEXT: _rows, SPEECH: _clips}
