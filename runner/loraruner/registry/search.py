"""Versions by words: in the name first, then in labels, base, data and prompts."""

from collections.abc import Iterable, Sequence

from loraruner.errors import SpecInvalid
from loraruner.registry.rows import Row

MAX_WORDS, MAX_WORD = 20, 100
NAME_WHOLE, NAME_PART, LABEL, TASK, SOURCE, PROMPT = 8, 5, 3, 2, 2, 1


def search(rows: Iterable[Row], words: Sequence[str]) -> list[Row]:
    """The rows that hold every word somewhere, with a ``match``: the best match first, then by name, the newest first.

    Case does not count, a part of a word is enough. Raises SpecInvalid (64) without a word, or with too many.
    """
    wanted = [word.casefold() for text in words for word in text.split()]
    if not wanted or len(wanted) > MAX_WORDS or max(map(len, wanted)) > MAX_WORD:
        raise SpecInvalid(f"the search takes 1 to {MAX_WORDS} words of at most {MAX_WORD} characters")
    ranked = ({**row, "match": _match(row, wanted)} for row in rows)
    found = sorted((row for row in ranked if row["match"]), key=lambda row: row["created"], reverse=True)
    return sorted(found, key=lambda row: (-row["match"], row["name"]))


def _match(row: Row, words: Sequence[str]) -> int:
    """The sum over the words, 0 where one is nowhere."""
    texts = (
        (NAME_PART, row["name"]),
        (LABEL, " ".join(row["labels"].values())),
        (TASK, row["task"]),
        (SOURCE, f"{row['base_model']} {row['data']}"),
        (PROMPT, row["prompts"]),
    )
    folded = [(weight, text.casefold()) for weight, text in texts]
    scores = [sum(weight for weight, text in folded if word in text) for word in words]
    whole = sum(NAME_WHOLE for word in words if word in (row["name"].casefold(), *row["name"].casefold().split("-")))
    return sum(scores) + whole if all(scores) else 0
