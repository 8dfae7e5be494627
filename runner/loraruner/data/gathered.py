"""Loose files and archives as one folder: every archive is unpacked where it stands, and all lie side by side."""

import os
import shutil
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from loraruner.data.archives import DEFAULT_LIMITS, SUFFIXES, Limits, is_archive, unpack
from loraruner.errors import DataInvalid
from loraruner.files import digest_file, replacing

# Not opened here: formats of others, and archives within archives.
UNOPENED = (*SUFFIXES, ".rar", ".7z", ".gz", ".bz2", ".xz", ".zst")
Taken = dict[str, tuple[str, str, Path]]  # compared name -> (path, from which file, where it lies)


def gather(sources: Mapping[str, Path], folder: Path, *, limits: Limits = DEFAULT_LIMITS) -> Path:
    """Bring the files ``sources`` (name -> file) together in ``folder`` (replaced if it exists) and return it.

    Of an archive its data root is taken. The limits count for all archives together. Raises DataInvalid (65) where two
    bring other content for one path, naming both, or an archive is refused; ``folder`` is then as before.
    """
    taken: Taken = {}
    with replacing(folder) as temporary:
        temporary.mkdir(mode=0o700)
        for name, path in sorted(sources.items()):
            if not is_packed(path):
                _take(name, name, path, temporary, taken)
                continue
            scratch = temporary.with_name(f"{temporary.name}.unpacked")
            try:
                root = unpack(path, scratch, limits=limits)
                num_bytes = num_files = 0
                for inner in _files(root):
                    num_bytes, num_files = num_bytes + inner.stat().st_size, num_files + 1
                    _take(inner.relative_to(root).as_posix(), name, inner, temporary, taken)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            limits = replace(
                limits,
                max_members=max(0, limits.max_members - num_files),
                max_total_bytes=max(0, limits.max_total_bytes - num_bytes),
            )
    return folder


def is_packed(path: Path) -> bool:
    """Whether a file is to be unpacked: an archive by its name, or one whose name has no ending.

    Others look like archives inside and are none for people: documents of an office suite (.docx, .pptx) first of all,
    whose pictures nobody wants to train on.
    """
    return path.name.lower().endswith(SUFFIXES) or (not path.suffix and is_archive(path))


def left_packed(folder: Path) -> str:
    """Files of a gathered folder that hold others but are not opened, in words; empty where there is none."""
    found = (path.relative_to(folder).as_posix() for path in _files(folder))
    names = [name for name in found if name.lower().endswith(UNOPENED)]
    return f"{', '.join(map(repr, names[:3]))}{', ...' if len(names) > 3 else ''}"


def _files(root: Path) -> Iterator[Path]:
    return iter(sorted(path for path in root.rglob("*") if path.is_file()))


def _take(path: str, source: str, file: Path, root: Path, taken: Taken) -> None:
    """Put one file in its place; a second one of the same path must be the same file."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        known = taken.setdefault(_compared(folder), (folder, source, root))
        if known[2] != root or known[0] != folder:
            raise _clash(path, source, known)
    known = taken.setdefault(_compared(path), (path, source, file))
    target = root / path
    if known[2] is not file:
        if known[0] != path or known[2] == root or digest_file(target) != digest_file(file):
            raise _clash(path, source, known)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)  # what is in the cache is never changed in place
    except OSError:
        shutil.copyfile(file, target)


def _clash(path: str, source: str, known: tuple[str, str, Path]) -> DataInvalid:
    return DataInvalid(
        f"{path!r:.300} of {source!r:.200} and {known[0]!r:.300} of {known[1]!r:.200} are one place with different "
        "content; remove or rename one of them"
    )


def _compared(path: str) -> str:
    """A path as file systems compare it that ignore the case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
