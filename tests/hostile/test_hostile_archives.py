"""Archives that mean harm: refused in one sentence, or unpacked within the folder; memory and time are bounded."""

import contextlib
import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraruner.data.archives import DEFAULT_LIMITS, Limits, unpack
from loraruner.errors import DataInvalid
from tests.support.hostile_archives import BOMBS, HARMLESS, REFUSED, Writer, folders_by_name, tar_file
from tests.support.measured import MEBIBYTE, measured
from tests.support.surroundings import untouched

UNPACK = """
import sys
from pathlib import Path
from loraruner.data.archives import unpack
from loraruner.errors import LoraRunerError
try:
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
except LoraRunerError as error:
    print(int(error.code))
"""
FUZZED = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("write", REFUSED.values(), ids=REFUSED)
def test_refused_and_nothing_left(write: Writer, tmp_path: Path) -> None:
    """65 in one line that names the archive; nothing lies anywhere, also not where links or names point."""
    write(tmp_path / "d")
    with untouched(tmp_path) as folder:
        with pytest.raises(DataInvalid) as caught:
            unpack(tmp_path / "d", folder / "out")
        assert str(tmp_path / "d") in str(caught.value)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("write", HARMLESS.values(), ids=HARMLESS)
def test_unpacked_within_the_folder(write: Writer, tmp_path: Path) -> None:
    """What is odd and harmless changes nothing outside of the folder it is unpacked to."""
    write(tmp_path / "d.tar")
    with untouched(tmp_path, "out") as folder, contextlib.suppress(DataInvalid):
        unpack(tmp_path / "d.tar", folder / "out")


@pytest.mark.slow
@pytest.mark.parametrize("write", BOMBS.values(), ids=BOMBS)
def test_bounded_memory(write: Writer, tmp_path: Path) -> None:
    """No archive of a few megabytes takes 100 MiB to be refused; a directory of 32 MB takes three times as much."""
    write(tmp_path / "d")
    told = measured(["-c", UNPACK, tmp_path / "d", tmp_path / "out"], tmp_path)
    assert (told.code, told.out) == (0, "65\n"), told.err
    assert told.peak_bytes < (350 if write is BOMBS["directory of nothing"] else 100) * MEBIBYTE


def test_a_hundred_thousand_folders_are_the_most(tmp_path: Path) -> None:
    """Folders that names imply count like members: they cost a place on the disk each."""
    folders_by_name(tmp_path / "d", 7)
    assert DEFAULT_LIMITS.max_members == 100_000
    with pytest.raises(DataInvalid, match="brings the files and folders to more than 200"):
        unpack(tmp_path / "d", tmp_path / "out", limits=Limits(max_members=200))
    unpack(tmp_path / "d", tmp_path / "out", limits=Limits(max_members=7 * 31))


@FUZZED
@given(edits=st.lists(st.tuples(st.integers(0, 5 * 512 - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_headers_changed_below_the_compression(edits: list[tuple[int, int]], tmp_path: Path) -> None:
    """Whatever a gzipped tar's headers say, their checksums right or not: 65 or unpacked, and nothing outside."""
    with tarfile.open(fileobj=(stream := io.BytesIO()), mode="w", format=tarfile.PAX_FORMAT) as bundle:
        bundle.addfile(tarfile.TarInfo("caf\u00e9"))
    raw = bytearray(stream.getvalue()[:1536] + tar_file("x/a", b"1" * 600) + bytes(10240))
    for place, value in edits:
        raw[place] = value
    for start in range(0, 2048, 512):
        if raw[start + 257 : start + 262] == b"ustar":
            block = raw[start : start + 148] + b" " * 8 + raw[start + 156 : start + 512]
            raw[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    (tmp_path / "d").write_bytes(gzip.compress(bytes(raw), 1))
    with untouched(tmp_path / "around", "out") as folder, contextlib.suppress(DataInvalid):
        unpack(tmp_path / "d", folder / "out")


@FUZZED
@given(
    names=st.lists(
        st.lists(st.sampled_from(["..", ".", "", "a", "A", "\\", "C:", "e\u0301", "\u00e9", "~", "\u202e", "x" * 300]))
        .map("/".join)
        .filter(bool),
        min_size=1,
        max_size=4,
    )
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_names(names: list[str], tmp_path: Path) -> None:
    """Names made of all that is dangerous in a path stay inside, in a zip as in a tar."""
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as bundle, tarfile.open(tmp_path / "d.tar", "w") as tape:
        for name in names:
            bundle.writestr(zipfile.ZipInfo(name), b"1")
            tape.addfile(tarfile.TarInfo(name))
    with untouched(tmp_path / "around", "out") as folder:
        for archive in ("d.zip", "d.tar"):
            with contextlib.suppress(DataInvalid):
                unpack(tmp_path / archive, folder / "out")
