"""The journal of what captioners said: durable lines, of which a torn one does not count."""

from pathlib import Path

import pytest

from loraruner.data.label.journal import appending, read_journal


def write(path: Path, key: str, **said: str) -> None:
    with appending(path, key) as append:
        append(said)


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    """Batches of several runs add up; the folder is made; another captioner's lines are not seen."""
    path = tmp_path / "deep/journal.jsonl"
    assert read_journal(path, "k") == {}
    with appending(path, "k") as append:
        append({"1": "a cat", "2": "zwei\nKatzen \u6c34 \U0001f600"})
        append({})
        append({"3": ""})
    write(path, "other", one="a dog")
    assert read_journal(path, "k") == {"1": "a cat", "2": "zwei\nKatzen \u6c34 \U0001f600", "3": ""}
    assert read_journal(path, "other") == {"one": "a dog"}


def test_lines_are_there_when_append_returns(tmp_path: Path) -> None:
    """A reader sees a batch while the journal is still open: nothing waits in a buffer for the end."""
    path = tmp_path / "journal.jsonl"
    with appending(path, "k") as append:
        append({"1": "a cat"})
        assert read_journal(path, "k") == {"1": "a cat"}


@pytest.mark.parametrize("cut", range(2, 54, 7))
def test_a_torn_line(tmp_path: Path, cut: int) -> None:
    """After a kill in the middle of a line that line does not count, and the next run's lines stand apart from it."""
    path = tmp_path / "journal.jsonl"
    write(path, "k", first="a cat", second="a dog")
    path.write_bytes(path.read_bytes()[:-cut])
    left = {"first": "a cat"}
    assert read_journal(path, "k") == left
    write(path, "k", second="a dog", third="a bird")
    assert read_journal(path, "k") == {**left, "second": "a dog", "third": "a bird"}


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "1",
        '{"captioner": "k"}',
        '{"captioner": "k", "sha256": "s", "said": "a dog"}',
        '{"captioner": "k", "sha256": 1, "said": "x"}',
        '{"captioner": "k", "sha256": "1", "said": null}',
        '{"captioner": "k", "sha256": "1", "said": "\\ud800"}',
        "\x00\x00\x00",
        "x" * (2 << 20),
        '{"a": ' * 5000,
    ],
)
def test_foreign_lines(tmp_path: Path, line: str) -> None:
    """What is no record of ours is passed over, whatever it is; the records after it count."""
    path = tmp_path / "journal.jsonl"
    path.write_text(f"{line}\n")
    write(path, "k", s="a cat")
    assert read_journal(path, "k") == {"s": "a cat"}


def test_a_changed_letter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A record of which one letter changed on the disk is not believed, and the journal is named; the others count."""
    path = tmp_path / "journal.jsonl"
    write(path, "k", first="a cat", second="a dog")
    assert read_journal(path, "k") == {"first": "a cat", "second": "a dog"} and not caplog.text
    path.write_bytes(path.read_bytes().replace(b"a cat", b"a bat"))
    assert read_journal(path, "k") == {"second": "a dog"}
    assert "journal.jsonl in the cache: 1 damaged lines" in caplog.text
