"""What a full or locked disk, or used-up memory, becomes, whoever met it."""

import errno
from pathlib import Path

import pytest

from loraruner.errors import DataInvalid, EnvironmentUnfit, NoPermission
from loraruner.files import machine_fault, machine_faults_named, require_folder


@pytest.mark.parametrize(
    ("error", "kind", "place"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), EnvironmentUnfit, "/data/x: "),
        (
            OSError(errno.EFBIG, "File too large"),
            EnvironmentUnfit,
            "LORARUNER_CACHE, LORARUNER_WORKDIR or the output: ",
        ),
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), NoPermission, "/data/x: "),
        (MemoryError(), EnvironmentUnfit, "the memory of this machine is used up"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), EnvironmentUnfit, "the memory of"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), EnvironmentUnfit, "LORARUNER_CACHE"),
    ],
)
def test_a_disk_fault_has_its_own_code(error: Exception, kind: type[Exception], place: str) -> None:
    """78 for a full disk and 77 for one that refuses, also where only a library's text has the number."""
    named = machine_fault(error)
    assert type(named) is kind and str(named).startswith(place)
    with pytest.raises(kind) as caught, machine_faults_named():
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "No such file", "x"), ValueError("3"), OSError("?")])
def test_any_other_error_stays_what_it_is(error: Exception) -> None:
    """A missing file of our own making is a fault of ours, not of the disk."""
    assert machine_fault(error) is None
    with pytest.raises(type(error)) as caught, machine_faults_named():
        raise error
    assert caught.value is error


def test_an_error_that_has_its_code_keeps_it() -> None:
    """A sentence that quotes the operating system is not read again."""
    with pytest.raises(DataInvalid), machine_faults_named():
        raise DataInvalid("x: not a sound file (os error 28)")


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    """The proof that a folder can be written leaves nothing in it."""
    require_folder(tmp_path / "a" / "b", "LORARUNER_CACHE")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(NoPermission, match=r"^LORARUNER_CACHE: .*file/b cannot be written \(Not a directory\)"):
        require_folder(tmp_path / "file" / "b", "LORARUNER_CACHE")
