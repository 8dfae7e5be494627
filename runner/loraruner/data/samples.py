"""What a scan of a data set finds: usable samples, and the bad ones with the reason."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from loraruner.errors import DataInvalid

Sample = TypeVar("Sample")


@dataclass(frozen=True)
class Skipped:
    """One sample that cannot be used: its name (relative path, or ``file:line``) and one reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Picture:
    """One picture with its caption. ``id`` is the relative path, ``sha256`` that of the file's bytes."""

    id: str
    path: Path
    caption: str
    sha256: str


@dataclass(frozen=True)
class Clip:
    """One recording with its transcript. ``id`` is the relative path, ``sha256`` that of the file's bytes.

    ``pieces`` are spans of samples at 16 kHz, each no longer than the model hears at once: one for a short clip, those
    between silences for a long one. ``language`` and ``whisper_task`` are None where the row names none.
    """

    id: str
    path: Path
    transcript: str
    sha256: str
    pieces: tuple[tuple[int, int], ...]
    language: str | None = None
    whisper_task: str | None = None


def num_examples(samples: Iterable[Any]) -> int:
    """How many training examples ``samples`` become: one each, of a long clip one for each piece, silent ones too."""
    return sum(len(sample.pieces) if isinstance(sample, Clip) else 1 for sample in samples)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation: role ``system`` | ``user`` | ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True)
class Row:
    """One text sample. ``id`` is ``file:line``.

    ``messages`` when the row is a conversation or an instruction (assistant turns are trained), else ``text`` with
    ``prompt`` before it: the completion ``text`` is trained, ``prompt`` never. ``form`` is how it was written, one of
    ``row_forms.FORM_KEYS``; it is no part of what the row says, so rows that differ in it alone are equal.
    """

    id: str
    text: str = ""
    prompt: str = ""
    messages: tuple[Message, ...] = ()
    form: str = field(default="", compare=False)


@dataclass(frozen=True)
class Scan(Generic[Sample]):
    """Usable samples in a fixed order (sorted by id) and the skipped ones."""

    samples: tuple[Sample, ...]
    skipped: tuple[Skipped, ...]


def require_usable(scan: Scan[Sample], max_bad_fraction: float, source: str, checked: str = "") -> None:
    """Raise DataInvalid (65) when nothing is usable or too large a share is bad; names the first bad ones.

    ``checked`` tells what a quality gate did, as in "3 left out by $.data.quality.checks: blurred 3"; "" for nothing.
    """
    bad, total = len(scan.skipped), len(scan.samples) + len(scan.skipped)
    first = f"first: {'; '.join(f'{s.name}: {s.reason}' for s in scan.skipped[:3])}"
    why, fix = (f"{checked}; {first}", ", or set those checks to warn") if checked else (first, "")
    if not scan.samples:
        detail = f" ({bad} skipped, {why})" if bad else " (nothing that looks like a sample was found)"
        raise DataInvalid(f"{source}: no usable sample{detail}; check $.data.uri and $.data.metadata{fix}")
    if bad > max_bad_fraction * total:
        raise DataInvalid(
            f"{source}: {bad} of {total} samples are bad, more than $.data.max_bad_fraction = {max_bad_fraction:g} "
            f"allows ({why}); mend them{',' if fix else ' or'} raise the limit{fix}"
        )
