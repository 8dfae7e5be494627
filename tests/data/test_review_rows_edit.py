"""Applying a review to rows: only the characters of an answer change, in every form and layout of a row."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from loraruner.data.review.apply import apply_review
from loraruner.data.review.record import Judged, content_digest, judge, read_record
from loraruner.data.review.subjects import DataSet
from loraruner.data.review.verdicts import Verdict
from loraruner.data.rows import scan_rows
from loraruner.errors import DataInvalid
from tests.support.said import TEXT, review, verdicts

ROWS: Sequence[tuple[str, Any, str]] = [
    ('{"text": "one"}\n', "uno", '{"text": "uno"}\n'),
    ('  {"n":1e400 ,"text":"","text" : "caf\\u00e9"}\r\n', "thé", '  {"n":1e400 ,"text":"","text" : "th\\u00e9"}\r\n'),
    ('{"prompt":"2+2=","completion":" é"}', " 4\r\n", '{"prompt":"2+2=","completion":" 4\\r\\n"}'),
    (
        '{"output": "Ahoj", "instruction": "Hi", "input": "", "id": 1.10}',
        'Ahoy "you"\\',
        '{"output": "Ahoy \\"you\\"\\\\", "instruction": "Hi", "input": "", "id": 1.10}',
    ),
    (
        '{"messages": [{"role": "user", "content": "a"}, {"content": "b", "role": "assistant"}, '
        '{"role": "user", "content": "b"}, {"role": "assistant", "content": "d"}]}',
        ["B", "d"],
        '{"messages": [{"role": "user", "content": "a"}, {"content": "B", "role": "assistant"}, '
        '{"role": "user", "content": "b"}, {"role": "assistant", "content": "d"}]}',
    ),
    (
        '{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}',
        "c",
        '{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "c"}]}',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "answer", "expected"), ROWS)
@pytest.mark.parametrize("layout", ["jsonl", "json", "jsonl with a mark"])
def test_only_the_answer_changes(tmp_path: Path, line: str, answer: Any, expected: str, layout: str) -> None:
    """In every form of a row, in its own way of writing: all other bytes of the file stay."""
    around = {"jsonl": ("\n not json\n", '\n{"text":1}\n'), "json": ('\n[ {"text": "x"} ,', ',{"text":"y"}]\n')}
    kind = layout.split()[0]
    before, after = around[kind]
    if kind == "json":
        line, expected = line.strip(), expected.strip()
    mark = "\ufeff" if layout.endswith("mark") else ""
    path = tmp_path / f"rows.{kind}"
    path.write_bytes((mark + before + line + after).encode())
    place = f"rows.{kind}:{3 if kind == 'jsonl' else 2}"
    review(tmp_path, {place: answer}, TEXT)
    assert path.read_bytes() == (mark + before + expected + after).encode()
    record = read_record(tmp_path)
    assert record and judge(scan_rows(tmp_path).samples, record).accepted == {place}
    assert review(tmp_path, {place: True}, TEXT).written == ()


def test_plain_lines(tmp_path: Path) -> None:
    """A corrected line stays one line; the others stay byte for byte, rejected ones too."""
    (tmp_path / "rows.txt").write_bytes("\ufeff one \r\ntwo\n\n  three".encode())
    review(tmp_path, {"rows.txt:1": "uno\ndue\r", "rows.txt:2": False, "rows.txt:4": "drei"}, TEXT)
    assert (tmp_path / "rows.txt").read_bytes() == "\ufeff uno due \r\ntwo\n\n  drei".encode()
    record = read_record(tmp_path)
    found = judge(scan_rows(tmp_path).samples, record or pytest.fail())
    assert found == Judged(frozenset({"rows.txt:1", "rows.txt:4"}), frozenset({"rows.txt:2"}), (), 1.0)


def test_rows_that_moved_since_the_sheet(tmp_path: Path) -> None:
    """A row is corrected where it stands now; the record names it there."""
    path = tmp_path / "rows.txt"
    path.write_text("one\ntwo\n")
    data = DataSet(tmp_path, TEXT)
    said = verdicts(data, {"rows.txt:2": "due", "rows.txt:1": False})
    path.write_text("zero\none\ntwo\n")
    apply_review(data, said, "review.csv", into=tmp_path)
    assert path.read_text() == "zero\none\ndue\n"
    record = read_record(tmp_path)
    assert record and [(v.id, v.verdict) for v in record.verdicts] == [
        ("rows.txt:2", "reject"),
        ("rows.txt:3", "accept"),
    ]


def test_the_record_is_in_the_order_in_which_people_count(tmp_path: Path) -> None:
    """Row 9 stands before row 10."""
    (tmp_path / "rows.txt").write_text("".join(f"row {number}\n" for number in range(1, 13)))
    review(tmp_path, {f"rows.txt:{number}": True for number in (10, 9, 2, 11)}, TEXT)
    record = read_record(tmp_path)
    assert record and [v.id.split(":")[1] for v in record.verdicts] == ["2", "9", "10", "11"]


def test_a_single_file_of_rows(tmp_path: Path) -> None:
    """The other folder gets the rows too, corrected or not: it is a data set of its own."""
    path = tmp_path / "rows.txt"
    path.write_text("one\ntwo\n")
    data = DataSet(path, TEXT)
    said = [Verdict(row.id, content_digest(row), "accept") for row in scan_rows(path).samples]
    assert apply_review(data, said, "review.csv", into=tmp_path / "out").written == ("review.csv", "rows.txt")
    out = tmp_path / "out"
    assert (out / "rows.txt").read_text() == "one\ntwo\n"
    assert judge(scan_rows(out).samples, read_record(out) or pytest.fail()).covered == 1.0


@pytest.mark.parametrize("cell", ["one answer", '["one"]', '["one", 2]', "[" * 100_000])
def test_several_answers_in_one_cell(tmp_path: Path, cell: str) -> None:
    """They must be as many as the row has, as a JSON list; anything else is 65 and names the row."""
    turns = [{"role": role, "content": "x"} for role in ("user", "assistant", "user", "assistant")]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": turns}))
    data = DataSet(tmp_path, TEXT)
    (said,) = verdicts(data, {"rows.jsonl:1": ["a", "b"]})
    wrong = Verdict(said.id, said.digest, said.verdict, cell, said.before)
    with pytest.raises(DataInvalid, match=r"rows\.jsonl:1: needs a JSON list of 2 answers"):
        apply_review(data, [wrong], "review.csv", into=tmp_path)


def test_a_line_that_would_be_too_long(tmp_path: Path) -> None:
    """A correction that no scan could read back is refused."""
    row = {"text": "one", "note": "x" * (1 << 20)}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row)[: (1 << 20) - 40] + '"}')
    with pytest.raises(DataInvalid, match=r"rows\.jsonl: line 1 would be longer than 1,048,576 bytes"):
        review(tmp_path, {"rows.jsonl:1": "x" * 1000}, TEXT)
