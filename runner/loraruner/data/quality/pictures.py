"""Is each picture of a set fit to train on? Each is decoded once, in worker processes where there are many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner.data.quality.findings import Finding
from loraruner.data.quality.picture_measures import THUMBNAIL_SIDE, Measured
from loraruner.data.quality.picture_pool import measure_all
from loraruner.spec.model import Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

KINDS = (
    "unreadable",
    "too_small",
    "extreme_aspect",
    "blurred",
    "under_exposed",
    "over_exposed",
    "near_duplicate",
    "transparent",
    "framed",
)
MIN_CLIPPED = 0.02  # of an over-exposed picture's pixels have lost light: what is only bright has not
MIN_RANGE = 20  # grey levels between the darkest and the brightest parts, where there is something to see

Between = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture: ``id`` is its relative path."""

    id: str
    path: Path


def check_pictures(
    entries: Sequence[Entry],
    quality: Quality,
    *,
    min_side: int,
    num_workers: int | None = None,
    between: Between = lambda done, total: None,
) -> tuple[Finding, ...]:
    """Findings of the kinds of KINDS in the order of the pictures' ids, several of one in that of KINDS.

    A kind whose check is "off" is neither looked for nor reported. ``between(done, total)`` is called every few
    pictures and may raise to stop. ``num_workers`` None: one process for each CPU. Raises EnvironmentUnfit (78) when a
    process dies of a picture.
    """
    entries = sorted(entries, key=lambda entry: entry.id)
    looks = _Looks(len(entries))
    findings: list[tuple[int, int, str]] = []  # picture, kind, detail: by numbers, which sort fast
    with closing(measure_all([entry.path for entry in entries], num_workers)) as answers:
        done = 0
        for chunk in answers:
            for index, measured in enumerate(chunk, start=done):
                findings += (
                    (index, KINDS.index(kind), detail) for kind, detail in _faults(measured, quality, min_side)
                )
                looks.keep(index, measured)
            done += len(chunk)
            between(done, len(entries))
    if quality.checks.near_duplicate != "off":
        for index, first, distance in looks.duplicates(quality.max_hash_distance, between):
            detail = f"looks like {entries[first].id} (differs in {distance} of 64 bits)"
            findings.append((index, KINDS.index("near_duplicate"), detail))
    return tuple(Finding(entries[index].id, KINDS[kind], detail) for index, kind, detail in sorted(findings))


def _faults(measured: Measured | str, quality: Quality, min_side: int) -> Iterator[tuple[str, str]]:
    """Kind and detail of what is wrong with one picture, without what is not looked for."""
    if isinstance(measured, str):
        yield "unreadable", measured
        return
    for kind, detail in _judged(measured, quality, min_side):
        if getattr(quality.checks, kind) != "off":
            yield kind, detail


def _judged(measured: Measured, quality: Quality, min_side: int) -> Iterator[tuple[str, str]]:
    width, height = measured.width, measured.height
    if min(width, height) < min_side:
        yield "too_small", f"is too small: {width} x {height} pixels, its shorter side less than {min_side}"
    if max(width, height) > quality.max_aspect * min(width, height):
        shape = "wide as high" if width > height else "high as wide"
        times = max(width, height) / min(width, height)
        yield "extreme_aspect", f"is {times:.1f} times as {shape}, more than {quality.max_aspect:g}"
    if fault := _exposure_fault(measured, quality):
        yield fault
    elif measured.sharpness < quality.min_sharpness:  # where light or dark hides it, nothing is called blurred
        yield "blurred", f"is blurred: sharpness {measured.sharpness:.1f}, less than {quality.min_sharpness:g}"
    if measured.transparent:
        yield "transparent", "has transparent parts, which become white"
    if measured.framed:
        yield "framed", "has a frame or bars of one colour"


def _exposure_fault(measured: Measured, quality: Quality) -> tuple[str, str] | None:
    """Too dark to see, or too bright; not a blurred thing on white, nor one cut out, which stands on white here."""
    shadows, highlights = measured.shadows, measured.highlights
    if highlights < quality.min_brightness:
        limit = f"less than {quality.min_brightness:g}"
        return "under_exposed", f"is under-exposed: its brightest parts have {highlights} of 255, {limit}"
    blurred = measured.sharpness < quality.min_sharpness and highlights - shadows > MIN_RANGE
    washed_out = shadows > quality.max_brightness and measured.clipped >= MIN_CLIPPED
    if washed_out and not blurred and not measured.transparent:
        limit = f"more than {quality.max_brightness:g}"
        return "over_exposed", f"is over-exposed: its darkest parts have {shadows} of 255, {limit}"
    return None


class _Looks:
    """How every picture looks, in 202 bytes each."""

    def __init__(self, num_pictures: int) -> None:
        import numpy as np

        self._seen = np.zeros(num_pictures, bool)
        self._hashes = np.zeros(num_pictures, np.uint64)
        self._thumbnails = np.zeros((num_pictures, THUMBNAIL_SIDE**2, 3), np.uint8)

    def keep(self, index: int, measured: Measured | str) -> None:
        """Remember a picture that could be read."""
        import numpy as np

        if not isinstance(measured, str):
            self._seen[index] = True
            self._hashes[index] = measured.hash
            self._thumbnails[index] = np.frombuffer(measured.thumbnail, np.uint8).reshape(-1, 3)

    def duplicates(self, max_distance: int, between: Between) -> Iterator[tuple[int, int, int]]:
        """Picture, the first that looks like it, and the distance of their hashes."""
        from loraruner.data.quality.duplicates import near_duplicates

        seen = self._seen.nonzero()[0]
        for found in near_duplicates(self._hashes[seen], self._thumbnails[seen], max_distance):
            if found is None:
                between(len(self._seen), len(self._seen))
            else:
                yield int(seen[found.picture]), int(seen[found.first]), found.distance
