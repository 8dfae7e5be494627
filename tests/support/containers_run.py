"""Containers of the built image, run by podman: what a user types, on a folder of their own."""

import json
import os
import runpy
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.user import ROOT, Told

# As a cluster runs it: nothing may be written but the mount, nothing gained, no network.
STRICT = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL"),
    *("--security-opt=no-new-privileges", "--network=none"),
)
IMAGE_USER = (10001, 10001)
LIMIT_S = 300
# podman looks for settings below HOME, and takes a folder that cannot be for a fault; one that is not there is none.
ENVIRONMENT: dict[str, str] = runpy.run_path(str(ROOT / "ci/containers.py"))["environment"](os.environ)
ENVIRONMENT["HOME"] = "/nonexistent"


def podman(*arguments: str, limit_s: float = LIMIT_S) -> Told:
    """One podman command to its end."""
    # Elsewhere, as it leaves a file `oom` where it was called when a container runs out of memory. Bytes, as what a
    # container prints need not be text.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["podman", *arguments], capture_output=True, timeout=limit_s, env=ENVIRONMENT, cwd=folder, check=False
        )
    return Told(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def told(*arguments: str, limit_s: float = LIMIT_S) -> str:
    """The stdout of a podman command that must succeed."""
    done = podman(*arguments, limit_s=limit_s)
    assert done.code == 0, done.err
    return done.out.strip()


def wait_until(reached: Callable[[], bool], what: str, *, limit_s: float = LIMIT_S) -> None:
    """Ask again and again, and fail with ``what`` when it does not come."""
    deadline = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:.0f} s"
        time.sleep(0.05)


def exit_code(container: str) -> int:
    """Wait for a container's end; podman tells the code a moment after it says that the container is stopped."""
    state = ("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", container)
    wait_until(lambda: told(*state).startswith("exited "), f"the end of {container}")
    return int(told(*state).split()[1])


class Place:
    """A folder of a user with the style example in it, mounted at /workspace: ``IMAGE train job.json``.

    ``owner`` (user and group id) owns everything; the folder's group may write.
    """

    def __init__(self, folder: Path, image: str, owner: tuple[int, int] = IMAGE_USER) -> None:
        self.folder, self.image, self.owner = folder, image, owner
        style = folder / "examples/style"
        for part in ("base", "pictures"):
            shutil.copytree(ROOT / "examples/style" / part, style / part)
        shutil.copyfile(ROOT / "examples/style/job.json", folder / "job.json")
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, *owner)
            path.chmod(0o775 if path.is_dir() else 0o664)

    def command(self, *arguments: str, options: tuple[str, ...] = (), user: str = "", mode: str = "") -> list[str]:
        """``podman run`` as strictly as it gets; ``user`` is the image's own unless given, ``mode`` the mount's."""
        user = user or f"{IMAGE_USER[0]}"
        mount = f"{self.folder}:/workspace{mode}"
        threads = ("--env", "OMP_NUM_THREADS=1")
        return ["run", *STRICT, "--user", user, *threads, *options, "-v", mount, self.image, *arguments]

    def run(self, *arguments: str, options: tuple[str, ...] = (), user: str = "", mode: str = "") -> Told:
        """A container to its end."""
        return podman(*self.command(*arguments, options=("--rm", *options), user=user, mode=mode))

    def train(self, *overrides: str, options: tuple[str, ...] = (), user: str = "") -> Told:
        """``train job.json`` with settings that differ."""
        return self.run(*train(*overrides), options=options, user=user)

    @contextmanager
    def started(self, *overrides: str) -> Iterator[str]:
        """The same, running beside us; yields the container's name and removes it at the end."""
        name = f"loraruner-test-{secrets.token_hex(4)}"
        told(*self.command(*train(*overrides), options=("--detach", "--name", name)))
        try:
            yield name
        finally:
            podman("rm", "--force", "--time", "1", name)

    @property
    def output(self) -> Path:
        """What is published as ``neon-style``."""
        return self.folder / "out/loras/neon-style"

    @property
    def version(self) -> Path:
        """The folder of version 1."""
        return self.output / "versions/1"

    def tensors(self) -> dict[str, bytes]:
        """What stands after the header of each file of weights of version 1."""
        return tensors({path.name: path.read_bytes() for path in self.version.glob("*.safetensors")})

    def checkpoints(self) -> list[str]:
        """The names of committed checkpoints in the store."""
        return sorted(path.parent.name for path in self.output.glob("runs/*/checkpoints/*/manifest.json"))

    def owners(self) -> set[tuple[int, int]]:
        """User and group ids of everything that lies in the folder."""
        return {(path.stat().st_uid, path.stat().st_gid) for path in self.folder.rglob("*")}


def train(*overrides: str) -> list[str]:
    """The arguments of ``loraruner train job.json`` with settings that differ."""
    return ["train", "job.json", *(part for each in overrides for part in ("--set", each))]


def tensors(files: dict[str, bytes]) -> dict[str, bytes]:
    """File name -> what stands after the header of a safetensors file."""
    return {name: data[8 + int.from_bytes(data[:8], "little") :] for name, data in files.items()}


def termination(text: str) -> dict[str, object]:
    """The one JSON line of a termination log."""
    (line,) = text.splitlines()
    document: dict[str, object] = json.loads(line)
    return document
