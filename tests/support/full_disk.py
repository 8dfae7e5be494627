"""The command line on a disk of its own that becomes full: a real tmpfs in a mount namespace.

``run`` starts ``python -m tests.support.full_disk PLACE BYTES MOMENT ARGUMENT ...`` there. It mounts the disk at PLACE,
runs ``loraruner ARGUMENT ...``, and leaves in ``PLACE.after`` what lies on the disk at the end. MOMENT is

- ``never``: BYTES are all that there is;
- ``stage NAME`` or ``step N``: at that moment all but BYTES are taken by somebody else; ``unguarded stage NAME`` and
  ``unguarded step N``: the same, and nobody looks at the free space beforehand.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.user import ROOT, Told

NAMESPACE = ("unshare", "--mount", "--map-root-user")
WIDE_BYTES = 256 << 20
BALLAST = ".ballast"
PAGE_BYTES = 4096


def require_namespaces() -> None:
    """Fail with what to do where the kernel lets this user mount nothing."""
    done = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(
            f"{' '.join(NAMESPACE)} fails ({done.stderr.strip()}): the tests of a full disk mount a tmpfs in a "
            "namespace of their own; run them as root, or allow user namespaces (sysctl user.max_user_namespaces, "
            "kernel.apparmor_restrict_unprivileged_userns=0; docker run --security-opt seccomp=unconfined)"
        )


def run(place: Path, num_bytes: int, moment: str, arguments: list[str], environment: dict[str, str]) -> Told:
    """``loraruner ARGUMENTS`` with a small disk at ``place``, which afterwards holds what was left there."""
    place.mkdir(parents=True, exist_ok=True)
    here = [sys.executable, "-m", "tests.support.full_disk", str(place), str(num_bytes), moment, *arguments]
    variables = {**os.environ, **environment}
    done = subprocess.run([*NAMESPACE, *here], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300)
    shutil.rmtree(place)
    _after(place).rename(place)
    return Told(done.returncode, done.stdout, done.stderr)


def _after(place: Path) -> Path:
    return place.with_name(f"{place.name}.after")


def main(place: Path, num_bytes: int, moment: str, arguments: list[str]) -> int:
    """Inside the namespace: mount, run, keep what is left."""
    size = num_bytes if moment == "never" else WIDE_BYTES
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    command = [sys.executable, "-m", "tests.support.full_disk", "--", moment, str(place), str(num_bytes), *arguments]
    code = subprocess.run(command, check=False).returncode
    shutil.copytree(place, _after(place), ignore=shutil.ignore_patterns(BALLAST))
    return code


def fill(place: Path, left_bytes: int) -> None:
    """Take all but ``left_bytes`` of the disk."""
    status = os.statvfs(place)
    free_bytes = status.f_bavail * status.f_frsize
    with (place / BALLAST).open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, max(PAGE_BYTES, free_bytes - left_bytes))


def watch(moment: str, place: Path, left_bytes: int) -> None:
    """Fill the disk when the event comes that ``moment`` names."""
    from loraruner.cli import progress
    from loraruner.disk_guard import DiskGuard
    from loraruner.events import Emit, Event, StageStarted, StepDone

    if moment.startswith("unguarded "):
        DiskGuard.require = lambda *_: None  # type: ignore[method-assign]

    def see(event: Event) -> None:
        kind, _, value = moment.removeprefix("unguarded ").partition(" ")
        found = event.stage if isinstance(event, StageStarted) else ""
        found = str(event.step) if isinstance(event, StepDone) and kind == "step" else found
        if found == value and not (place / BALLAST).exists():
            fill(place, left_bytes)

    @contextmanager
    def watched(live: bool) -> Iterator[Emit]:
        yield see

    progress.watched = watched


if __name__ == "__main__":
    if sys.argv[1] != "--":
        sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
    if sys.argv[2] != "never":
        watch(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    from loraruner.cli import main as command_line

    command_line(sys.argv[5:])
