"""The files of a version that people are given, by the words of ``notify.attach``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
