"""What an error of the local disk means for a run."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loraruner.errors import EnvironmentUnfit, InputMissing, LoraRunerError, NoPermission, TemporaryFailure
from loraruner.files import DISK_FULL

REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP)
# A parent that is a file, or a folder where the file should go: that place can never be written.
WRONG_KIND = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate the OSErrors of writing ``path``: full 78, refused 77, anything else 75."""
    try:
        yield
    except OSError as error:
        raise write_error(error, path) from error


def write_error(error: OSError, path: Path) -> LoraRunerError:
    """The error to raise when writing ``path`` failed with ``error``."""
    if error.errno in DISK_FULL:
        return EnvironmentUnfit(f"{path}: the disk is full ({error.strerror}); free some space and start the job again")
    if error.errno in REFUSED or error.errno in WRONG_KIND:
        return NoPermission(f"{path}: cannot be written ({error.strerror}); name a folder this user may write to")
    return TemporaryFailure(f"{path}: writing failed ({error}); check the disk and start the job again")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translate the OSErrors of reading ``path``: absent 66, refused 77, anything else 75."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputMissing(f"{path}: there is no such file; check the address") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputMissing(f"{str(path)[:200]}...: too long to be the name of a file; check the address") from error
        if error.errno in REFUSED:
            raise NoPermission(f"{path}: cannot be read ({error.strerror}); grant this user read access") from error
        raise TemporaryFailure(f"{path}: reading failed ({error}); check the disk and start the job again") from error
