"""Hostile bytes to plain tables: TOML by tomllib, YAML by its events alone, both bounded."""

import datetime
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.importers import yaml_tree
from loraruner.importers.yaml_tree import MAX_LEVELS, NotYaml
from loraruner.spec.document import MAX_DIGITS, MAX_ITEMS, is_plain

MAX_BYTES = 1 << 16
MAX_LINE = 8192  # characters: tomllib takes a time that grows with the square of a dotted key's length
YAML_SUFFIXES = (".yaml", ".yml", ".json")  # every JSON document is a YAML document


@dataclass(frozen=True)
class Source:
    """A file as it was read: what people call it, and its bytes."""

    name: str
    data: bytes


class NotToml(ValueError):
    """Text that is no TOML, with the place."""


def read(source: Source) -> dict[str, Any]:
    """The top level of a configuration: strings, numbers, truth values, lists and tables; dates become strings.

    Raises DataInvalid (65) naming the line for what is neither TOML nor YAML, and for what is too large, nested too
    deeply, not UTF-8, or holds control characters.
    """
    tree = _parsed(source.name, decoded(source))
    if not isinstance(tree, dict) or not tree:
        raise DataInvalid(f"{source.name}: holds no keys; give the trainer's configuration file")
    fault = next(_faults(tree, "", 1), None)
    if fault:
        raise DataInvalid(f"{source.name}: {fault}")
    table: dict[str, Any] = _jsonable(tree)
    return table


def decoded(source: Source) -> str:
    """The file as text, without a byte order mark; raises DataInvalid (65) for what is large or no plain UTF-8."""
    if len(source.data) > MAX_BYTES:
        raise DataInvalid(f"{source.name}: is larger than {MAX_BYTES >> 10} KiB; no configuration is that long")
    try:
        text = source.data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DataInvalid(f"{source.name}: is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MAX_LINE:
            raise DataInvalid(f"{source.name}: line {number} is longer than {MAX_LINE} characters; break it")
        if not is_plain(line):
            raise DataInvalid(f"{source.name}: line {number} holds a control character; save it as plain UTF-8 text")
    return text


def _parsed(name: str, text: str) -> Any:
    suffix = PurePath(name).suffix.lower()
    if suffix == ".toml":
        return _only(name, "TOML", _toml, text)
    if suffix in YAML_SUFFIXES:
        return _only(name, "YAML", yaml_tree.parse, text)
    try:
        return _toml(text)
    except NotToml as error:
        not_toml = error
    try:
        tree = yaml_tree.parse(text)
    except NotYaml as error:
        raise DataInvalid(f"{name}: is no YAML: {error}; and no TOML: {not_toml}") from None
    if isinstance(tree, str):  # any line of words is a YAML document
        raise DataInvalid(f"{name}: is no TOML: {not_toml}")
    return tree


def _only(name: str, form: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except (NotToml, NotYaml) as error:
        raise DataInvalid(f"{name}: is no {form}: {error}") from None


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise NotToml(f"it is nested deeper than {MAX_LEVELS} levels; a configuration needs three") from None
    except tomllib.TOMLDecodeError as error:
        last_line = text.rstrip("\n").count("\n") + 1
        told = str(error).replace("at end of document", f"at the end, line {last_line}")
        fix = "put a path with backslashes in single quotes" if "escape" in told else "correct it"
        raise NotToml(f"{told[:1].lower()}{told[1:]}; {fix}") from None
    except ValueError:  # int() refuses thousands of digits
        raise NotToml("it holds an integer of thousands of digits; give a number of usual size") from None


def _faults(value: Any, place: str, level: int) -> Iterator[str]:
    """What a parser lets through and nothing behind it should meet."""
    if isinstance(value, str) and not is_plain(value):
        yield f"{place} holds a control character; give plain text"
    elif isinstance(value, int) and len(hex(value)) - 2 > MAX_DIGITS:
        yield f"{place} is an integer of too many digits; give a number of usual size"
    elif isinstance(value, dict | list):
        if level > MAX_LEVELS or len(value) > MAX_ITEMS:
            yield f"{place or 'the top level'} has more than {MAX_ITEMS} entries or {MAX_LEVELS} levels; shorten it"
            return
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if not is_plain(str(key)):
                yield f"{place or 'the top level'} has a key with a control character; rename it"
                return
            yield from _faults(item, f"{place}.{str(key)[:64]}".lstrip("."), level + 1)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value
