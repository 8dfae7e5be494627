"""The token cache: named by content, written once, and loud about rows that were cut."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from loraruner.data.samples import Message, Row
from loraruner.errors import DataInvalid
from loraruner.families.base import Base, Samples
from loraruner.families.causal_lm.cache import CHAT, VERBATIM, prepare, read_tokens
from tests.support import damage
from tests.support.damage import Damage

ROWS = (Row(id="a:1", text="one"), Row(id="a:2", prompt="two", text="three"))


def test_rows_come_back_as_they_were_encoded(base: Base, tmp_path: Path) -> None:
    """Ids, masks and order of the rows survive the file; parts without rows have none."""
    prepared = prepare(base, Samples(ROWS), tmp_path, 64)
    tokens = read_tokens(prepared.files["train"])
    assert [len(tokens.row(index)[0]) for index in range(len(tokens))] == [4, 9]
    assert tokens.row(1)[1].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert prepared.ids == {"train": ("a:1", "a:2")} and prepared.skipped == ()
    assert prepared.files.keys() == {"train"}


def test_the_same_content_is_the_same_file(base: Base, tmp_path: Path) -> None:
    """Rows of another name or form hit the cache, which isn't written again; other text, limit or base doesn't."""
    path = prepare(base, Samples(ROWS), tmp_path, 64).files["train"]
    written = path.stat().st_mtime_ns
    renamed = tuple(replace(row, id=f"b{row.id}", form="text") for row in ROWS)
    assert prepare(base, Samples(renamed), tmp_path, 64).files["train"] == path
    assert path.stat().st_mtime_ns == written
    others = (
        prepare(base, Samples(ROWS[:1]), tmp_path, 64),
        prepare(base, Samples(ROWS), tmp_path, 32),
        prepare(replace(base, digest="cd" * 32), Samples(ROWS), tmp_path, 64),
    )
    assert len({path, *(other.files["train"] for other in others)}) == 4


def test_cut_rows_are_counted_every_time(base: Base, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The warning about rows over max_length comes from the cache too, not from the first run alone."""
    for _ in range(2):
        with caplog.at_level(logging.WARNING):
            prepare(base, Samples(ROWS), tmp_path, 5)
        assert "1 of 2 train rows are longer than $.options.max_length = 5 tokens" in caplog.text
        caplog.clear()


def test_the_form_of_prompts_is_noted(base: Base, tmp_path: Path) -> None:
    """Conversations are noted as chat and rows of text as verbatim, for whoever tries the adapter."""
    chat = (Row(id="c:1", messages=(Message("user", "a"), Message("assistant", "b"))),)
    files = prepare(base, Samples(chat, ROWS), tmp_path, 64).files
    assert [read_tokens(files[part]).prompt_form for part in ("train", "evaluation")] == [CHAT, VERBATIM]


def test_a_row_that_trains_nothing_is_skipped_and_named(base: Base, tmp_path: Path) -> None:
    """One bad row leaves the others, here and when the cache is found; nothing but bad rows is an error."""
    bad = Row(id="a:9", prompt="x " * 70, text="too late")
    for _ in range(2):
        prepared = prepare(base, Samples((*ROWS, bad)), tmp_path, 64)
        assert prepared.ids["train"] == ("a:1", "a:2")
        (skipped,) = prepared.skipped
        assert skipped.name == "a:9" and "raise $.options.max_length" in skipped.reason
    with pytest.raises(DataInvalid, match="no usable row: a:9: its first trained token lies behind token 64"):
        prepare(base, Samples((bad,)), tmp_path, 64)


@pytest.mark.parametrize("harm", damage.EVERY)
def test_damaged_tokens_are_made_anew(
    base: Base, tmp_path: Path, harm: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    """A flipped bit, a cut and a missing file: the same tokens are there again, and what was damaged is named."""
    path = prepare(base, Samples(ROWS), tmp_path, 64).files["train"]
    before = [each.tolist() for row in range(2) for each in read_tokens(path).row(row)]
    harm(path)
    prepare(base, Samples(ROWS), tmp_path, 64)
    assert [each.tolist() for row in range(2) for each in read_tokens(path).row(row)] == before
    assert (f"{path} in the cache is damaged" in caplog.text) == (harm is not damage.remove)
