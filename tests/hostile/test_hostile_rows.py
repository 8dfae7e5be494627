"""Rows, lists of captions and jobs that mean harm: bounded in number, length and depth, counted or refused."""

import contextlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraruner.data import lines, metadata, rows
from loraruner.data.lines import BadValue, parse_json
from loraruner.data.metadata import read_captions
from loraruner.data.rows import scan_rows
from loraruner.errors import DataInvalid
from loraruner.pretrained.json_size import parsed_bytes
from tests.support.measured import MEBIBYTE, Measured, assert_orderly, loraruner, measured
from tests.support.surroundings import untouched

ROWS = "from loraruner.data.rows import scan_rows as scan\nscan(path)"
LIST = """
from loraruner.data.metadata import read_captions
read_captions({path.name: path}, path.name, path.parent)"""
CHILD = """
import sys
from pathlib import Path
from loraruner.errors import LoraRunerError
path = Path(sys.argv[1])
try:
    {call}
except LoraRunerError as error:
    print(int(error.code))
"""


def in_a_child(call: str, path: Path) -> Measured:
    """Read ``path`` in a process of its own."""
    return measured(["-c", CHILD.format(call=call.replace("\n", "\n    ")), path], path.parent)


def repeated(path: Path, part: bytes, megabytes: int, head: bytes = b"", tail: bytes = b"") -> Path:
    """A file of so many megabytes of one thing."""
    block = part * (MEBIBYTE // len(part))
    with path.open("wb") as stream:
        stream.write(head)
        for _ in range(megabytes):
            stream.write(block)
        stream.write(tail)
    return path


@pytest.mark.parametrize("content", ["0\n", '"a"\n', "{}\n", '{"text": ""}\n'])
def test_more_bad_rows_than_can_be_told(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bad row is kept with its reason: above a number the file is another kind of file, which is 65."""
    monkeypatch.setattr(lines, "MAX_BAD", 50)
    (tmp_path / "r.jsonl").write_text(content * 50)
    assert len(scan_rows(tmp_path / "r.jsonl").skipped) == 50
    (tmp_path / "r.jsonl").write_text(content * 51)
    with pytest.raises(DataInvalid, match=r"more than 50 lines or rows can't be used \(first: r.jsonl:1 "):
        scan_rows(tmp_path / "r.jsonl")


def test_more_rows_than_can_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good rows have a number as well."""
    monkeypatch.setattr(rows, "MAX_ROWS", 20)
    (tmp_path / "r.txt").write_text("a row\n" * 20)
    assert len(scan_rows(tmp_path / "r.txt").samples) == 20
    (tmp_path / "r.txt").write_text("a row\n" * 21)
    with pytest.raises(DataInvalid, match="more than 20 rows"):
        scan_rows(tmp_path / "r.txt")


def test_a_conversation_of_a_thousand_turns(tmp_path: Path) -> None:
    """The model reads a conversation again for each turn: the work would grow with the square of their number."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * 500
    (tmp_path / "r.jsonl").write_text(
        json.dumps({"messages": turns}) + "\n" + json.dumps({"messages": [*turns, *turns]})
    )
    scan = scan_rows(tmp_path / "r.jsonl")
    assert len(scan.samples) == 1
    assert "has 2,000 messages, more than 1,000" in scan.skipped[0].reason


@pytest.mark.parametrize("name, row", [("m.csv", "{at}.png,a\n"), ("m.jsonl", '{{"file": "{at}.png", "text": "a"}}\n')])
def test_more_files_than_can_be_listed(name: str, row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of captions has a number of files, and of lines that it can't use."""
    monkeypatch.setattr(metadata, "MAX_LISTED", 30)
    monkeypatch.setattr(lines, "MAX_BAD", 5)
    path = tmp_path / name

    def listed(texts: list[str]) -> int:
        path.write_text("".join(texts))
        return len(read_captions({name: path}, name, tmp_path).by_file)

    all_rows = [row.format(at=at) for at in range(40)]
    assert listed(all_rows[:30]) == 30
    with pytest.raises(DataInvalid, match="lists more than 30 files"):
        listed(all_rows[:31])
    with pytest.raises(DataInvalid, match="more than 5 lines or rows"):
        listed([all_rows[0]] * 7)


@pytest.mark.parametrize(
    "content, match",
    [
        (b"," * (2 << 20), "m.csv:1: a row of more than"),
        (b"a.png,a\n" + b"\x22\n\x22," * 400_000, "a row of more than"),
        (b"a.png,a\n\x22" + b"b\n" * 100_000, "not CSV"),
        (b"a.png,\x22" + b"a" * 200_000 + b"\x22\n", "not CSV"),
        (b"\0" * 100, None),
        (b"../../secret,a\n", "points out of the data folder"),
        (b"..\\..\\secret,a\n", "points out of the data folder"),
        (b"/etc/passwd,a\n", "points out of the data folder"),
        (b"C:\\x.png,a\n", "points out of the data folder"),
    ],
)
def test_lists_in_csv(content: bytes, match: str | None, tmp_path: Path) -> None:
    """Millions of columns, quotes without an end, paths out of the folder: 65 with the line."""
    (tmp_path / "m.csv").write_bytes(content)
    expected = contextlib.nullcontext() if match is None else pytest.raises(DataInvalid, match=match)
    with expected:
        assert read_captions({"m.csv": tmp_path / "m.csv"}, "m.csv", tmp_path).by_file == {}


def test_json_of_many_values_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of two megabytes that would take hundreds is refused from its brackets; prose of that size is not."""
    monkeypatch.setattr(lines, "MAX_PARSED_BYTES", 20 * MEBIBYTE)
    with pytest.raises(BadValue, match="too many values"):
        parse_json("[" + "{}," * 700_000 + "{}]")
    assert len(parse_json(json.dumps(["some words, and more of them. " * 70_000]))) == 1


@pytest.mark.parametrize("part", ["{}", "[]", "1e1", '"ab"', '{"a": 1}'])
def test_the_estimate_of_parsed_json_is_no_less_than_it_takes(part: str) -> None:
    """What the interpreter holds after parsing is below what the estimate says."""
    text = "[" + f"{part}," * 9_999 + f"{part}]"
    tracemalloc.start()
    value = json.loads(text)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(value) == 10_000 and held < parsed_bytes(text.encode())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, part, head, tail, megabytes, most",
    [
        ("a row without an end.jsonl", b"a" * 1024, b'{"text": "', b"", 100, 100),
        ("plain line without an end.txt", b"a" * 1024, b"", b"", 100, 100),
        ("numbers.jsonl", b"0\n", b"", b"", 100, 200),
        ("empty objects.jsonl", b"{}\n", b"", b"", 100, 200),
        ("empty objects.json", b"{},", b"[", b"{}]", 100, 500),
        ("lists in lists.json", b"[" * 1024, b"", b"", 100, 500),
        ("numbers.json", b"1e1,", b"[", b"1]", 100, 500),
        ("keys.json", b'"a":1,', b"[{", b'"b":1}]', 100, 500),
    ],
)
def test_bounded_memory_for_rows(
    name: str, part: bytes, head: bytes, tail: bytes, megabytes: int, most: int, tmp_path: Path
) -> None:
    """A hundred megabytes of anything take no more than they weigh a few times over."""
    told = in_a_child(ROWS, repeated(tmp_path / name, part, megabytes, head, tail))
    assert told.code == 0 and told.out in ("", "65\n"), told.err[-800:]
    assert told.peak_bytes < most * MEBIBYTE


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, part",
    [
        ("commas.csv", b","),
        ("lines.csv", b"a\n"),
        ("doubles.csv", b"a,b\n"),
        ("quotes.csv", b'""'),
        ("lines.jsonl", b"0\n"),
    ],
)
def test_bounded_memory_for_lists(name: str, part: bytes, tmp_path: Path) -> None:
    """The largest list of captions that is read at all (64 MB) takes below 600 MiB, whatever stands in it."""
    told = in_a_child(LIST, repeated(tmp_path / name, part, 64))
    assert told.code == 0 and told.out in ("", "65\n"), told.err[-800:]
    assert told.peak_bytes < 600 * MEBIBYTE


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner))
NAMES = st.sampled_from(
    ["../../secret", "/etc/passwd", "a/../../evil", "..", "", "a.png", "C:a", "\\\\h\\s", "a\0b", "\ud800"]
)


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.tuples(NAMES | st.text(max_size=9), VALUES), max_size=5), key=st.sampled_from(["file", "image"])
)
def test_lists_that_point_anywhere(files: list[tuple[str, object]], key: str, tmp_path: Path) -> None:
    """Whatever names a list holds, no caption is kept for a place outside, and nothing is read or written there."""
    with untouched(tmp_path, "m.jsonl") as folder:
        path = folder / "m.jsonl"
        path.write_text("".join(json.dumps({key: name, "text": value}) + "\n" for name, value in files))
        with contextlib.suppress(DataInvalid):
            captions = read_captions({"m.jsonl": path}, "m.jsonl", folder)
            assert not [name for name in captions.by_file if name.startswith("/") or ".." in name.split("/")]
            assert sum(map(len, (captions.by_file, captions.skipped))) == len(files)


Job = Callable[[], bytes]
JOBS: dict[str, Job] = {
    "deep": lambda: b"[" * 500_000,
    "deep objects": lambda: b'{"a":' * 150_000,
    "large": lambda: b'{"name": "' + b"a" * (2 << 20) + b'"}',
    "a million values": lambda: b"[" + b"0," * 500_000 + b"0]",
    "key twice": lambda: b'{"name": "a", "name": "b"}',
    "a thousand keys twice": lambda: b"{" + b'"a":1,' * 1000 + b'"a":1}',
    "no numbers": lambda: b'{"a": NaN, "b": -Infinity}',
    "long number": lambda: b'{"a": ' + b"9" * 100_000 + b"}",
    "huge exponent": lambda: b'{"a": 1e999999999, "b": -1e-999999999}',
    "half a pair": lambda: b'{"name": "\\ud800"}',
    "byte order mark": lambda: b'\xef\xbb\xbf{"name": "a"}',
    "UTF-16": lambda: '{"name": "a"}'.encode("utf-16"),
    "UTF-32": lambda: '{"name": "a"}'.encode("utf-32"),
    "latin": lambda: b'{"name": "\xe9"}',
    "control": lambda: b'{"name": "\\u001b[2J"}',
    "prototype": lambda: b'{"__proto__": {"x": 1}, "__class__": 1}',
    "other values": lambda: b"null",
    "nothing": lambda: b"",
}


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_jobs_at_the_command_line(job: Job, tmp_path: Path) -> None:
    """Each is 64 in one sentence within a second of computing and 100 MiB."""
    (tmp_path / "job.json").write_bytes(job())
    told = loraruner("validate", tmp_path / "job.json", folder=tmp_path)
    assert_orderly(told, 64)
    assert told.peak_bytes < 100 * MEBIBYTE and len(told.err) < 5000
