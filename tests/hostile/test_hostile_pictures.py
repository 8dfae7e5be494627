"""Pictures that mean harm: used for their pixels alone, or skipped with a reason; memory is bounded."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraruner.data.lines import BadValue
from loraruner.data.pictures import decode, scan_pictures, to_rgb
from tests.support.hostile_pictures import CORPUS, png, seeds, with_right_sums
from tests.support.measured import MEBIBYTE, measured
from tests.support.surroundings import untouched

SCAN = """
import sys
from pathlib import Path
from loraruner.data.pictures import open_rgb, scan_pictures
scan = scan_pictures(Path(sys.argv[1]), metadata=None)
for picture in scan.samples:
    open_rgb(picture.path)
print(len(scan.samples), len(scan.skipped))
"""
Entry = tuple[str, Callable[[], bytes], bool]
EACH = pytest.mark.parametrize("entry", CORPUS.values(), ids=CORPUS)


def written(entry: Entry, folder: Path) -> Path:
    """The corpus's picture with a caption, alone in a folder."""
    folder.mkdir(parents=True)
    (folder / entry[0]).write_bytes(entry[1]())
    (folder / entry[0]).with_suffix(".txt").write_text("a picture")
    return folder


@EACH
def test_used_or_skipped(entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is used or skipped as told, with one reason; no program is run for it and no file appears."""
    (tmp_path / "bin").mkdir()
    for program in ("gs", "gswin64c", "inkscape", "rsvg-convert"):
        (tmp_path / "bin" / program).write_text(f"#!/bin/sh\ntouch {tmp_path}/program-ran\n")
        (tmp_path / "bin" / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    folder = written(entry, tmp_path / "outer" / "middle" / "inner" / "data")
    with untouched(tmp_path):
        scan = scan_pictures(folder, metadata=None)
    assert (len(scan.samples), len(scan.skipped)) == ((1, 0) if entry[2] else (0, 1)), scan
    assert all(bad.reason and "\n" not in bad.reason and str(folder) not in bad.reason for bad in scan.skipped)


@pytest.mark.slow
def test_bounded_memory_for_pictures(tmp_path: Path) -> None:
    """All of them, none larger than a few hundred kilobytes, take below 200 MiB to be read one after another."""
    for number, entry in enumerate(CORPUS.values()):
        written(entry, tmp_path / "data" / str(number))
    told = measured(["-c", SCAN, tmp_path / "data"], tmp_path)
    used = sum(entry[2] for entry in CORPUS.values())
    assert (told.code, told.out) == (0, f"{used} {len(CORPUS) - used}\n"), told.err
    assert told.peak_bytes < 200 * MEBIBYTE


@pytest.mark.slow
def test_the_largest_picture_allowed(tmp_path: Path) -> None:
    """89 million pixels in one file: below 1.5 GiB to be checked and opened, whatever its mode."""
    entry = ("a.png", lambda: png(width=9459, height=9459), True)
    told = measured(["-c", SCAN, written(entry, tmp_path / "data")], tmp_path)
    assert (told.code, told.out) == (0, "1 0\n"), told.err
    assert told.peak_bytes < 1536 * MEBIBYTE


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    """The sound pictures that are damaged."""
    return list(seeds().values())


@settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    which=st.integers(0, 9),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    kept=st.floats(0.02, 1.0),
    mend=st.booleans(),
)
def test_damaged_pictures(
    which: int, edits: list[tuple[float, int]], kept: float, mend: bool, originals: list[bytes], tmp_path: Path
) -> None:
    """Whatever bytes are changed or cut off, with checksums right or wrong: pixels, or BadValue."""
    raw = bytearray(originals[which])
    for place, value in edits:
        raw[int(place * len(raw))] = value
    cut = bytes(raw[: max(1, int(len(raw) * kept))])
    (tmp_path / "p").write_bytes(with_right_sums(cut) if mend else cut)
    with contextlib.suppress(BadValue):
        assert decode(tmp_path / "p", to_rgb).mode == "RGB"
