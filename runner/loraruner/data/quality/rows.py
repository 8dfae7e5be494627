"""What is wrong with the rows of a set: doubles, answers that are empty or too long, mixtures, personal data."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from loraruner.data.quality.findings import Finding
from loraruner.data.quality.languages import language_of, name_of
from loraruner.data.quality.personal import find_personal, told
from loraruner.data.quality.words import num_words, same_row
from loraruner.data.samples import Row
from loraruner.spec.model import Quality

FORMS = {
    "messages": "{messages}",
    "instruction": "{instruction, output}",
    "prompt": "{prompt, completion}",
    "text": "{text}",
}

WATCHED_EVERY = 256

Between = Callable[[int, int], None]
Judge = Callable[[Row], str]  # what is wrong, or ""
Makers = dict[str, Callable[[], Judge]]


def check_rows(
    rows: Sequence[Row],
    quality: Quality,
    count_tokens: Callable[[str], int] | None,
    max_tokens: int,
    between: Between = lambda done, total: None,
) -> tuple[Finding, ...]:
    """Findings on rows in their order, several of one in the order of ``spec.model.Checks``.

    ``count_tokens`` is the base's own count and ``max_tokens`` what it takes of one answer; None counts words alone.
    ``between`` is told now and then how many rows are done and how many there are; it may raise to stop. Kinds whose
    check is "off" are neither looked for nor reported. No finding repeats personal data.
    """
    watched = _watched(rows, between)
    makers: Makers = {
        "duplicate_row": _duplicate,
        "empty_answer": lambda: _empty,
        "long_answer": lambda: _long(quality.max_answer_words, count_tokens, max_tokens),
        "mixed_forms": lambda: _other_form(rows),
        "mixed_languages": lambda: _other_language(watched()),
        "personal_data": lambda: _personal,
    }
    judges = {kind: make() for kind, make in makers.items() if getattr(quality.checks, kind) != "off"}
    return tuple(
        Finding(row.id, kind, detail) for row in watched() for kind, judge in judges.items() if (detail := judge(row))
    )


def _watched(rows: Sequence[Row], between: Between) -> Callable[[], Iterator[Row]]:
    """Goes through the rows, as often as it is called; ``between`` hears of the first time, and then of the end."""
    most = 0

    def each() -> Iterator[Row]:
        nonlocal most
        for done, row in enumerate(rows):
            if done % WATCHED_EVERY == 0:
                between(most, len(rows))
            yield row
            most = max(most, done + 1)

    return each


def answers_of(row: Row) -> tuple[str, ...]:
    """The texts of a row that are trained."""
    if row.messages:
        return tuple(message.content for message in row.messages if message.role == "assistant")
    return (row.text,)


def _texts(row: Row) -> tuple[tuple[str, str], ...]:
    """Everything a row says, by role; the same question and answer are alike in every form."""
    if row.messages:
        return tuple((message.role, message.content) for message in row.messages)
    asked = (("user", row.prompt),) if row.prompt else ()
    return (*asked, ("assistant", row.text))


def _duplicate() -> Judge:
    first: dict[bytes, str] = {}

    def judge(row: Row) -> str:
        said = "\0".join(f"{role}\1{same_row(text)}" for role, text in _texts(row))
        key = hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=16).digest()
        other = first.setdefault(key, row.id)
        return "" if other == row.id else f"is the same as {other}"

    return judge


def _empty(row: Row) -> str:
    if all(any(map(_says_something, answer)) for answer in answers_of(row)):
        return ""
    return "has an answer without a letter, digit or emoji"


def _says_something(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character) == "So"


def _long(max_words: int, count_tokens: Callable[[str], int] | None, max_tokens: int) -> Judge:
    def judge(row: Row) -> str:
        for answer in answers_of(row):
            if (words := num_words(answer)) > max_words:
                return f"has an answer of {words:,} words, more than {max_words:,}"
            if count_tokens and (num_tokens := count_tokens(answer)) > max_tokens:
                return f"has an answer of {num_tokens:,} tokens, more than {max_tokens:,}: the rest would be cut off"
        return ""

    return judge


def _other_form(rows: Iterable[Row]) -> Judge:
    counts = Counter(row.form for row in rows if row.form)
    main, total = _most_frequent(counts), counts.total()

    def judge(row: Row) -> str:
        if not row.form or row.form == main:
            return ""
        shown, usual = FORMS.get(row.form, row.form), FORMS.get(main, main)
        return f"has the form {shown}, {counts[main]:,} of {total:,} rows have {usual}"

    return judge


def _other_language(rows: Iterable[Row]) -> Judge:
    languages = {row.id: language_of("\n".join(answers_of(row))) for row in rows}
    counts = Counter(language for language in languages.values() if language)
    main, total = _most_frequent(counts), counts.total()

    def judge(row: Row) -> str:
        language = languages[row.id]
        if not language or language == main:
            return ""
        return (
            f"is in {name_of(language)}, {counts[main]:,} of {total:,} rows that could be told are in {name_of(main)}"
        )

    return judge


def _most_frequent(counts: Counter[str]) -> str:
    """The most frequent name, of several the first in the alphabet; "" where there is none."""
    return min(counts, key=lambda name: (-counts[name], name), default="")


def _personal(row: Row) -> str:
    hits = find_personal("\n\n".join(text for _, text in _texts(row)))
    return f"holds what looks like {told(hits)}" if hits else ""
