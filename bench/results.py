"""What the measurements of reliability found, in ``bench/reliability.json``: the source of docs/reliability.md.

Scripts and tests record under a key each; ``make docs`` writes the page. Run as a script it prints what is there.
"""

import fcntl
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("reliability.json")


def read(path: Path = PATH) -> dict[str, Any]:
    """Everything recorded so far, by key; empty where nothing has been measured."""
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def record(key: str, value: Any, path: Path = PATH) -> None:
    """Keep ``value`` (JSON) under ``key``, in place of what stood there, with what kind of machine measured last.

    Written beside and renamed; two scripts that record at the same time both keep their keys.
    """
    with _alone(path):
        found = {**read(path), key: value, "machine": machine()}
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(temporary, path)


def machine() -> dict[str, Any]:
    """What kind of machine this is: no name, no address, no path."""
    return {"architecture": platform.machine(), "cpus": os.cpu_count(), "python": platform.python_version()}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One writer at a time: the folder is locked, so that no lock file is left."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    json.dump(read(), sys.stdout, indent=1, sort_keys=True)
    print()
