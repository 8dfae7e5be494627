"""The files of a version that people are given, by the words of ``notify.attach``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loraruner.notifiers.base import Message
from loraruner.spec.model import ClickUpNotice

LARGEST_BYTES = 1_000_000_000  # that ClickUp takes
WEIGHTS = ("kohya", "peft")  # the format that people want, by what there is


def names_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The files that can be attached, by the words of ``notify.attach``, as far as the version has them."""
    adapters = {each["format"]: each["name"] for each in manifest["adapters"]}
    weights = next((adapters[form] for form in WEIGHTS if form in adapters), next(iter(adapters.values()), ""))
    wanted = {"report": "report.html", "samples": "samples/sheet.png", "log": "train.log", "weights": weights}
    present = {entry["name"] for entry in manifest["files"]}
    return {word: name for word, name in wanted.items() if name in present}


def files_of(manifest: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """The same as local files."""
    return {word: folder / name for word, name in names_of(manifest).items() if (folder / name).is_file()}


def chosen(entry: ClickUpNotice, message: Message) -> tuple[list[Path], list[Path]]:
    """The files of a message that ``entry`` attaches, the smallest first, and those that are too large for it."""
    most_bytes = min(entry.max_attachment_mb * 1_000_000, LARGEST_BYTES)
    files = [path for word in entry.attach if (path := message.files.get(word)) and path.is_file()]
    large = [path for path in files if path.stat().st_size > most_bytes]
    return sorted((path for path in files if path not in large), key=lambda path: path.stat().st_size), large


def num_bytes(entry: ClickUpNotice, message: Message) -> int:
    """Bytes of the files of a message that ``entry`` attaches, as far as they are there."""
    try:
        return sum(path.stat().st_size for path in chosen(entry, message)[0])
    except OSError:  # gone in this very moment
        return 0
