"""Files around a test's folders that nothing may touch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def untouched(root: Path, *own: str) -> Iterator[Path]:
    """Yield a folder deep within ``root`` to be attacked; afterwards everything outside of ``own`` is as before.

    ``own`` are names in that folder where something may appear.
    """
    inner = root / "outer" / "middle" / "inner"
    inner.mkdir(parents=True, exist_ok=True)
    for folder in (root, root / "outer", root / "outer" / "middle", inner):
        (folder / "secret").write_text(f"the secret of {folder.name}")
        (folder / "evil").mkdir(exist_ok=True)
    left_out = [inner / name for name in own]
    before = _seen(root, left_out)
    yield inner
    assert _seen(root, left_out) == before


def _seen(root: Path, left_out: list[Path]) -> dict[str, tuple[int, int, bytes]]:
    """Mode, time of change and content of everything below ``root`` but ``left_out``."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(folder, name) not in left_out]
        for name in [*folders, *names]:
            path = Path(folder, name)
            if path in left_out:
                continue
            status = path.lstat()
            is_file = path.is_file() and not path.is_symlink()
            content = path.read_bytes() if is_file else b""
            found[str(path)] = (status.st_mode, status.st_mtime_ns if is_file else 0, content)
    return found
