"""The regular files below a data folder, sorted; links are not followed, special files not opened."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loraruner.data.samples import Skipped
from loraruner.errors import DataInvalid, InputMissing, NoPermission

MAX_DEPTH = 32  # folders within folders, as in an archive


@dataclass(frozen=True)
class Listing:
    """Relative path (with ``/``) to path, sorted; and what was refused. Hidden names are in neither."""

    files: dict[str, Path]
    skipped: tuple[Skipped, ...]


def list_files(folder: Path, content: str = "pictures") -> Listing:
    """List ``folder`` with everything below it; InputMissing (66) when it is not there, DataInvalid (65) for a file.

    ``content`` is what the message says the folder should hold.
    """
    if folder.exists() and not folder.is_dir():
        raise DataInvalid(f"{folder}: this is a file; $.data.uri must name a folder of {content} or an archive of one")
    if not folder.is_dir():
        raise InputMissing(f"{folder}: no such folder; $.data.uri must name a folder or an archive of one")
    files: dict[str, Path] = {}
    skipped: list[Skipped] = []
    for relative, entry in _entries(folder):
        if fault := _fault(entry):
            shown = relative.encode(errors="backslashreplace").decode()
            skipped.append(Skipped(shown, fault))
        else:
            files[relative] = Path(entry.path)
    return Listing(dict(sorted(files.items())), tuple(sorted(skipped, key=lambda bad: bad.name)))


def _entries(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below ``folder`` that is not hidden and no plain folder, or one that is too deep."""
    waiting = [(folder, "")]
    while waiting:
        current, prefix = waiting.pop()
        try:
            entries = list(os.scandir(current))
        except PermissionError as error:
            raise NoPermission(f"{current}: may not be listed; give this user read and search permission") from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False) and prefix.count("/") < MAX_DEPTH:
                waiting.append((current / entry.name, f"{prefix}{entry.name}/"))
            else:
                yield prefix + entry.name, entry


def _fault(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "is a link: put the file itself there"
    if entry.is_dir(follow_symlinks=False):
        return f"lies below {MAX_DEPTH} folders: move it up"
    if not entry.is_file(follow_symlinks=False):
        return "is not a regular file"
    try:
        entry.path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8: rename it"
    return ""
