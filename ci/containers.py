"""What podman and buildah need to be told on this machine, and a way to run a command with it.

    python ci/containers.py -- podman run ...

A process without CAP_SYS_RESOURCE may not raise its limits, and with cgroups of version 1 (or a mixture) neither crun
nor systemd's manager will do: there, podman fails before the container starts. A containers.conf of three lines
cures it. Where CONTAINERS_CONF is set already, or nothing is wrong, nothing is changed.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIGURATION = ROOT / ".venv/containers.conf"
STATUS = Path("/proc/self/status")
CGROUPS = Path("/sys/fs/cgroup")
CAP_SYS_RESOURCE = 24  # linux/capability.h
TEXT = """\
# Made by ci/containers.py: this machine has no CAP_SYS_RESOURCE, or no pure cgroup v2.
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def environment(given: Mapping[str, str] = os.environ, written: Path = CONFIGURATION) -> dict[str, str]:
    """The variables to run podman and buildah with: ``given``, and CONTAINERS_CONF where this machine needs one."""
    if given.get("CONTAINERS_CONF") or not needed():
        return dict(given)
    if not written.exists() or written.read_text() != TEXT:
        written.parent.mkdir(parents=True, exist_ok=True)
        beside = written.with_name(f"{written.name}.{os.getpid()}")
        beside.write_text(TEXT)
        beside.replace(written)
    return {**given, "CONTAINERS_CONF": str(written)}


def needed(status: Path = STATUS, cgroups: Path = CGROUPS) -> bool:
    """Whether this process lacks CAP_SYS_RESOURCE as root, or the cgroups are not those of version 2 alone."""
    return (os.geteuid() == 0 and not has_capability(status)) or not (cgroups / "cgroup.controllers").exists()


def has_capability(status: Path) -> bool:
    """Whether CAP_SYS_RESOURCE is effective, as /proc tells."""
    lines = [line for line in status.read_text().splitlines() if line.startswith("CapEff:")]
    return bool(int(lines[0].split()[1], 16) >> CAP_SYS_RESOURCE & 1)


def main(arguments: list[str]) -> None:
    """Become the command that follows ``--``."""
    if len(arguments) < 2 or arguments[0] != "--":
        print("ci/containers.py: no command; call it as ci/containers.py -- podman ...", file=sys.stderr)
        sys.exit(2)
    try:
        os.execvpe(arguments[1], arguments[1:], environment())
    except OSError as error:
        print(f"ci/containers.py: {arguments[1]} cannot be run ({error.strerror}); install it", file=sys.stderr)
        sys.exit(69)


if __name__ == "__main__":
    main(sys.argv[1:])
