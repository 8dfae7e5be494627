"""Free space while a run is under way: a disk that gets too small ends the run in order, before anything is torn."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loraruner.errors import EnvironmentUnfit

MARGIN_BYTES = 8 << 20  # what logs, metrics and small files may take until somebody looks again
MIN_FILES = 64  # a file system can run out of files (inodes) before it runs out of bytes


@dataclass(frozen=True)
class DiskGuard:
    """The folders that a run writes to, by what names each: a variable of the environment or a key of the job."""

    places: Mapping[str, Path]

    def without(self, name: str) -> "DiskGuard":
        """The same without one place."""
        return DiskGuard({each: folder for each, folder in self.places.items() if each != name})

    def require(self, needed_bytes: int, what: str) -> None:
        """Raise EnvironmentUnfit (78) naming the first place whose disk cannot take ``needed_bytes`` and the margin.

        Looks at each file system once (``statvfs``): cheap enough for every stage and every checkpoint. A folder that
        does not exist yet is looked at where it will be made.
        """
        for name, folder in self.places.items():
            status = os.statvfs(next(path for path in (folder, *folder.parents) if path.exists()))
            free_bytes = status.f_bavail * status.f_frsize
            if free_bytes < needed_bytes + MARGIN_BYTES:
                raise EnvironmentUnfit(
                    f"{name}: the disk of {folder} is nearly full: {free_bytes:,} bytes are free and {what} wants "
                    f"{needed_bytes + MARGIN_BYTES:,}; all committed work is kept: free some space, or name a larger "
                    "disk, and start the same job again"
                )
            if status.f_files and status.f_favail < MIN_FILES:
                raise EnvironmentUnfit(
                    f"{name}: the disk of {folder} can take {status.f_favail} more files and {what} wants {MIN_FILES}; "
                    "all committed work is kept: remove some small files, and start the same job again"
                )
