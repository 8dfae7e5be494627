"""Corrected answers written into files of rows: only the answers' own characters change."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loraruner.data.lines import MAX_LINE_BYTES, UTF8_BOM, BadValue, parse_json
from loraruner.data.review.json_splice import Steps, items, splice
from loraruner.data.review.texts import ASSISTANT, PLAIN_SUFFIX, texts_of
from loraruner.data.row_forms import row_from
from loraruner.errors import DataInvalid

Answers = Mapping[int, Sequence[str]]  # by line, or place in a list, from 1


def corrected_files(path: Path, corrections: Mapping[str, Sequence[str]]) -> dict[str, bytes]:
    """The new content of every file that holds a corrected row, by its name; ``corrections`` are answers by row.

    ``path`` is the folder of the files, or the one file. Lines without a correction stay byte for byte. Raises
    DataInvalid (65) for a row that would not be read back as it was corrected.
    """
    by_file: defaultdict[str, dict[int, Sequence[str]]] = defaultdict(dict)
    for place, answers in corrections.items():
        name, _, number = place.rpartition(":")
        by_file[name][int(number)] = answers
    files = {name: path if path.is_file() else path / name for name in sorted(by_file)}
    return {name: _corrected(name, file.read_bytes(), by_file[name]) for name, file in files.items()}


def _corrected(name: str, raw: bytes, answers: Answers) -> bytes:
    suffix = Path(name).suffix.lower()
    try:
        if suffix == ".json":
            return _list(raw.decode(), answers).encode()
        return b"\n".join(_lines(raw, suffix, answers))
    except BadValue as fault:
        raise DataInvalid(f"{name}: {fault}; correct the row in its file") from fault


def _lines(raw: bytes, suffix: str, answers: Answers) -> Iterator[bytes]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if number not in answers:
            yield line
            continue
        mark = UTF8_BOM if number == 1 and line.startswith(UTF8_BOM) else b""
        text = line.removeprefix(mark).decode()
        new = mark + _new_line(text, suffix, answers[number]).encode()
        if len(new) >= MAX_LINE_BYTES:
            raise BadValue(f"line {number} would be longer than {MAX_LINE_BYTES:,} bytes")
        yield new


def _new_line(text: str, suffix: str, answers: Sequence[str]) -> str:
    if suffix == PLAIN_SUFFIX:
        return text.replace(text.strip(), answers[0], 1)
    return _new_object(text, answers)


def _list(document: str, answers: Answers) -> str:
    parts, done = [], 0
    for number, (start, end) in enumerate(items(document), start=1):
        if number in answers:
            parts += [document[done:start], _new_object(document[start:end], answers[number])]
            done = end
    return "".join([*parts, document[done:]])


def _new_object(text: str, answers: Sequence[str]) -> str:
    """One row's JSON with other answers, read back as a proof."""
    new = splice(text, dict(zip(_places(parse_json(text)), answers, strict=True)))
    if texts_of(row_from("", parse_json(new))) != tuple(answers):
        raise BadValue("a corrected answer would be read back as another one")
    return new


def _places(value: Mapping[str, Any]) -> Iterator[Steps]:
    """Where the answers of a row stand, by its form (see ``row_forms``)."""
    form = row_from("", value).form
    if form == "instruction":
        yield ("output",)
    elif form == "text":
        yield ("text",)
    elif form == "prompt" and isinstance(value["completion"], str):
        yield ("completion",)
    else:
        key = "messages" if form == "messages" else "completion"
        for number, turn in enumerate(value[key]):
            if turn["role"] == ASSISTANT:
                yield key, number, "content"
