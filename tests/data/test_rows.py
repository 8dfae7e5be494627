"""Text rows: all forms, where they are looked for, and why bad ones are skipped."""

import json
import logging
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraruner.data.row_forms import row_from
from loraruner.data.rows import scan_rows
from loraruner.data.samples import Message, Row, require_usable
from loraruner.errors import DataInvalid, InputMissing

USER, ANSWER = Message("user", "Hi"), Message("assistant", "Ahoy!")


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def one(folder: Path, value: Any) -> Row | str:
    """The row that one JSON line becomes, or the reason why it is skipped."""
    (folder / "r.jsonl").write_text(json.dumps(value))
    found = scan_rows(folder / "r.jsonl")
    return found.samples[0] if found.samples else found.skipped[0].reason


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"text": " as it is\n"}, Row("r.jsonl:1", text=" as it is\n")),
        ({"prompt": "2+2=", "completion": " 4"}, Row("r.jsonl:1", prompt="2+2=", text=" 4")),
        ({"prompt": "", "completion": "x"}, Row("r.jsonl:1", text="x")),
        (
            {"prompt": [turn("system", "S"), turn("user", "Hi")], "completion": [turn("assistant", "Ahoy!")]},
            Row("r.jsonl:1", messages=(Message("system", "S"), USER, ANSWER)),
        ),
        ({"instruction": "Hi", "output": "Ahoy!"}, Row("r.jsonl:1", messages=(USER, ANSWER))),
        (
            {"instruction": "Hi", "input": " ", "output": "Ahoy!", "system": ""},
            Row("r.jsonl:1", messages=(USER, ANSWER)),
        ),
        (
            {"instruction": "Sum", "input": "1 2", "output": "3", "system": "S", "history": []},
            Row(
                "r.jsonl:1",
                messages=(Message("system", "S"), Message("user", "Sum\n1 2"), Message("assistant", "3")),
            ),
        ),
        (
            {"instruction": "Hi", "input": None, "output": "Ahoy!", "text": "all"},
            Row("r.jsonl:1", messages=(USER, ANSWER)),
        ),
        (
            {"messages": [turn("user", "Hi"), turn("assistant", "Ahoy!")]},
            Row("r.jsonl:1", messages=(USER, ANSWER)),
        ),
        (
            {"messages": [turn("user", "Hi") | {"name": None}, turn("assistant", "Ahoy!")], "id": 7},
            Row("r.jsonl:1", messages=(USER, ANSWER)),
        ),
    ],
)
def test_forms(value: Any, expected: Row, tmp_path: Path) -> None:
    """Each form becomes the row that the contract of samples.Row asks for; text is kept to the letter."""
    assert one(tmp_path, value) == expected


@pytest.mark.parametrize(
    "value, reason",
    [
        ({"foo": 1, "output": "x"}, "keys found: 'foo', 'output'; accepted: text | prompt, completion"),
        ({}, "keys found: none"),
        (["a"], "is no JSON object but a list"),
        ("a", "is no JSON object but a text"),
        ({"text": ""}, "'text' is empty"),
        ({"text": 5}, "'text' must be a text, not a number"),
        ({"text": None}, "'text' must be a text, not null"),
        ({"instruction": "Hi", "output": "  \n"}, "'output' is empty"),
        ({"instruction": "", "output": "x"}, "'instruction' is empty"),
        ({"instruction": "Hi", "output": True}, "'output' must be a text, not a boolean"),
        ({"instruction": "Hi", "output": "x", "input": ["y"]}, "'input' must be a text, not a list"),
        ({"instruction": "Hi", "output": "x", "history": [["a", "b"]]}, "key 'history' is not supported"),
        ({"prompt": "x", "completion": ""}, "'completion' is empty"),
        ({"prompt": "x", "completion": [turn("assistant", "y")]}, "must both be"),
        ({"prompt": [turn("user", "x")], "completion": [turn("user", "y")]}, "not the assistant's"),
        ({"prompt": [turn("user", "x")], "completion": []}, "no assistant turn"),
        (
            {"prompt": [turn("assistant", "x")], "completion": [turn("assistant", "y")]},
            "write the row as messages",
        ),
        ({"messages": []}, "no assistant turn"),
        ({"messages": [turn("user", "x")]}, "no assistant turn"),
        ({"messages": "x"}, "'messages' must be a list of messages, not a text"),
        ({"messages": [turn("user", "x"), "y"]}, "messages[1] must be an object"),
        (
            {"messages": [turn("human", "x")]},
            "messages[0].role is 'human'; accepted: system, user, assistant",
        ),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role is"),
        (
            {"messages": [turn("user", "x"), turn("assistant", "")]},
            "messages[1] (assistant): 'content' is empty",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "'content' must be a text, not a list",
        ),
        (
            {"messages": [turn("assistant", "x") | {"tool_calls": [1]}]},
            "messages[0] has the key 'tool_calls'",
        ),
        ({"text": "half \ud800"}, "half a surrogate pair"),
    ],
)
def test_bad_rows(value: Any, reason: str, tmp_path: Path) -> None:
    """Each fault is skipped with a reason that says what was found and what is accepted."""
    found = one(tmp_path, value)
    assert isinstance(found, str)
    assert reason in found


def test_ids_and_lines(tmp_path: Path) -> None:
    """Ids are file:line; blank lines count but are no rows; CRLF and BOM do no harm; bad lines are named."""
    (tmp_path / "r.jsonl").write_bytes(
        b'\xef\xbb\xbf{"text": "a"}\r\n\r\nplain text\n{"text": "caf\xe9"}\n{"text": "b"}{"text": "c"}\n{"text": "d"}'
    )
    found = scan_rows(tmp_path)
    assert [(row.id, row.text) for row in found.samples] == [("r.jsonl:1", "a"), ("r.jsonl:6", "d")]
    assert [bad.name for bad in found.skipped] == ["r.jsonl:3", "r.jsonl:4", "r.jsonl:5"]
    assert "is not JSON" in found.skipped[0].reason
    assert "is not UTF-8 (byte 14 of the line)" in found.skipped[1].reason


def test_plain_lines(tmp_path: Path) -> None:
    """In a .txt every line that is not blank is one row, even if it looks like JSON."""
    (tmp_path / "r.txt").write_text('one\n\n  two \n{"text": "x"}\n')
    assert [(row.id, row.text) for row in scan_rows(tmp_path).samples] == [
        ("r.txt:1", "one"),
        ("r.txt:3", "two"),
        ("r.txt:4", '{"text": "x"}'),
    ]


def test_json_list(tmp_path: Path) -> None:
    """A .json holds a list of rows, numbered from 1; any other .json is one bad sample."""
    (tmp_path / "a.json").write_text(json.dumps([{"instruction": "Hi", "output": "Ahoy!"}, {"x": 1}], indent=1))
    (tmp_path / "b.json").write_text('{"text": "x"}')
    (tmp_path / "c.json").write_text('[{"text": "x"},')
    found = scan_rows(tmp_path)
    assert [row.id for row in found.samples] == ["a.json:1"]
    assert [bad.name for bad in found.skipped] == ["a.json:2", "b.json", "c.json"]
    assert "one row a line in a .jsonl" in found.skipped[1].reason


def test_folder(tmp_path: Path) -> None:
    """Files at any depth, sorted; README, LICENSE, hidden and other files are no data; links are named."""
    for name in (
        "b.jsonl",
        "a/z.JSONL",
        "README.txt",
        "License.txt",
        ".hidden.jsonl",
        "notes.md",
        "data.csv",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"text": "x"}\n')
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "b.jsonl")
    found = scan_rows(tmp_path)
    assert [row.id for row in found.samples] == ["a/z.JSONL:1", "b.jsonl:1"]
    assert [bad.name for bad in found.skipped] == ["link.jsonl"]


def test_missing_empty_and_foreign(tmp_path: Path) -> None:
    """Nothing there is 66, another kind of file 65, and an empty folder has no usable sample (65)."""
    with pytest.raises(InputMissing, match=r"\$\.data\.uri"):
        scan_rows(tmp_path / "gone")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataInvalid, match=r"\.jsonl, \.json, \.txt"):
        scan_rows(tmp_path / "rows.parquet")
    with pytest.raises(DataInvalid, match="no usable sample"):
        require_usable(scan_rows(tmp_path), 1.0, "data")


def test_endless_line_is_not_loaded(tmp_path: Path) -> None:
    """A line of 100 MB is passed over in bounded memory, and the rows around it are used."""
    with (tmp_path / "r.jsonl").open("wb") as stream:
        stream.write(b'{"text": "before"}\n')
        for _ in range(100):
            stream.write(b"x" * (1 << 20))
        stream.write(b'\n{"text": "after"}\n')
    tracemalloc.start()
    found = scan_rows(tmp_path)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.id for row in found.samples] == ["r.jsonl:1", "r.jsonl:3"]
    assert found.skipped[0].name == "r.jsonl:2"
    assert "longer than 1,048,576 bytes" in found.skipped[0].reason
    assert peak_bytes < 8 << 20


@pytest.mark.parametrize("line", ["[" * 200_000, '{"text": ' + "9" * 5000 + "}", '{"a":' * 100_000])
def test_json_bombs(line: str, tmp_path: Path) -> None:
    """Deep nesting and giant numbers are bad rows, not tracebacks."""
    (tmp_path / "r.jsonl").write_text(line)
    assert "is JSON with" in scan_rows(tmp_path).skipped[0].reason


def test_ignored_keys_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Keys outside a row's form are ignored with one warning that counts them; no text of a row is logged."""
    rows = [{"instruction": "Hi", "output": "secret", "imput": "x"}] * 3 + [{"text": "y", "id": 1}]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with caplog.at_level(logging.WARNING):
        assert len(scan_rows(tmp_path).samples) == 4
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: keys that belong to no row form were ignored: 'imput' (3 rows), 'id' (1 rows)"
    ]


FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEYS = st.sampled_from(
    ["text", "prompt", "completion", "instruction", "input", "output", "messages", "role", "content", "x"]
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.floats(),
        st.sampled_from(["user", "assistant", ""]),
        st.text("aé🎨 \n\0", max_size=5),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@FUZZ
@given(value=VALUES)
def test_any_json(value: Any, tmp_path: Path) -> None:
    """Whatever JSON a line holds: one row with something to train that UTF-8 can carry, or one reason."""
    found = one(tmp_path, value)
    if isinstance(found, Row):
        assert found.text.strip() or any(message.role == "assistant" for message in found.messages)
        assert repr(found).encode()


@FUZZ
@given(content=st.binary(max_size=80), suffix=st.sampled_from([".jsonl", ".json", ".txt"]))
def test_any_bytes(content: bytes, suffix: str, tmp_path: Path) -> None:
    """Whatever bytes a file holds, scanning it ends with rows and reasons."""
    (tmp_path / f"r{suffix}").write_bytes(content)
    found = scan_rows(tmp_path / f"r{suffix}")
    assert len({sample.id for sample in found.samples}) == len(found.samples)


def test_row_from_is_usable_alone() -> None:
    """A value from elsewhere gets the id it is given."""
    assert row_from("x:1", {"text": "a"}) == Row("x:1", text="a")


@pytest.mark.parametrize(
    "name, told",
    [
        ("a.png", r"holds 1 pictures \(first a\.png\), not rows; \$\.task text-to-image trains on them"),
        ("a.wav", r"holds 1 clips \(first a\.wav\), not rows; \$\.task automatic-speech-recognition trains on them"),
    ],
)
def test_a_folder_of_another_task_is_no_text(name: str, told: str, tmp_path: Path) -> None:
    """Captions or transcripts would read as plain lines: the folder is refused with the task that takes it."""
    (tmp_path / name).write_bytes(b"")
    (tmp_path / "a.txt").write_text("a red circle")
    with pytest.raises(DataInvalid, match=told):
        scan_rows(tmp_path)
