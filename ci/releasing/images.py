"""Images as OCI layouts on disk: made by ci/image, or given ready-made."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.releasing.commands import CommandFailed, Commands, without_secrets
from ci.releasing.digests import of_bytes
from ci.releasing.tree import Tree
from loraruner.errors import DataInvalid, EnvironmentUnfit

TRANSPORTS = ("oci", "oci-archive", "docker-archive", "docker-daemon", "containers-storage", "docker", "dir")
REVISION = "org.opencontainers.image.revision"
NO_POLICY = "--insecure-policy"  # signatures play no part here: digests do


@dataclass(frozen=True)
class Image:
    """One image of a release; without a layout where the registry has it already."""

    target: str
    tag: str
    manifest: bytes
    layout: Path | None

    @property
    def digest(self) -> str:
        """By which registries know it."""
        return f"sha256:{of_bytes(self.manifest).sha256}"


def tag(version: str, target: str) -> str:
    """The tag of an image in its repository."""
    return f"{version}-{target}"


def reference(given: str) -> str:
    """A ready-made image as skopeo names it: as given, or a file as an OCI archive, or a folder as a layout."""
    if given.partition(":")[0] in TRANSPORTS:
        return given
    path = Path(given)
    if not path.exists():
        raise DataInvalid(f"--image {given}: neither a file nor a name such as docker://HOST/NAME@sha256:...")
    return f"oci:{path.resolve()}" if path.is_dir() else f"oci-archive:{path.resolve()}"


def fetch(commands: Commands, source: str, layout: Path) -> None:
    """A ready-made image as a layout, under its own digest unless its format is an older one than OCI's."""
    copy = ["skopeo", NO_POLICY, "copy", "--quiet"]
    try:
        commands.run([*copy, "--preserve-digests", source, f"oci:{layout}"], as_caller=True)
    except CommandFailed:
        shutil.rmtree(layout, ignore_errors=True)
        commands.run([*copy, source, f"oci:{layout}"], as_caller=True)


def revision_of(config: str) -> str:
    """The commit that an image says it was made from, by its configuration; nothing where it names none."""
    found = json.loads(config).get("config") or {}
    return str((found.get("Labels") or {}).get(REVISION, ""))


def require_made_from(commands: Commands, tree: Tree, given: str, layout: Path) -> None:
    """DataInvalid where a ready-made image is from another commit: the build would tell an untruth of it."""
    made_from = revision_of(commands.run(["skopeo", "inspect", "--config", f"oci:{layout}"], as_caller=True))
    if made_from != tree.revision:
        raise DataInvalid(
            f"--image {given} was made from {made_from or 'no commit that it names'}, and this is {tree.revision}: "
            "build it from this commit"
        )


def build(tree: Tree, target: str, wheel: Path, layout: Path) -> None:
    """Make the image by ci/image around a wheel; DataInvalid when that fails."""
    builder = os.environ.get("BUILDER") or next((name for name in ("buildah", "docker") if shutil.which(name)), "")
    if not builder:
        raise EnvironmentUnfit("neither buildah nor docker is on this machine: run ci/setup-system, or give --image")
    name = f"localhost/loraruner:{tag(tree.version, target)}"
    chosen = {
        "RELEASE": "1", "TARGET": target, "IMAGE": name, "WHEEL": str(wheel), "BUILDER": builder,
        "SOURCE_DATE_EPOCH": str(tree.epoch_s), "REVISION": tree.revision,
    }  # fmt: skip
    _run([str(tree.root / "ci/image")], tree.root, chosen)
    if builder == "docker":
        _run(["skopeo", NO_POLICY, "copy", "--quiet", f"docker-daemon:{name}", f"oci:{layout}"], tree.root, {})
    else:
        _run([builder, "push", "--quiet", "--format", "oci", name, f"oci:{layout}"], tree.root, {})


def _run(command: list[str], folder: Path, extra: Mapping[str, str]) -> None:
    # The log of a build is long, and people want to see it while it happens.
    try:
        done = subprocess.run(
            command, cwd=folder, env={**without_secrets(os.environ), **extra}, stdout=sys.stderr, check=False
        )
    except FileNotFoundError as error:
        raise EnvironmentUnfit(f"{command[0]} is not on this machine: run ci/setup-system") from error
    if done.returncode != 0:
        raise DataInvalid(f"{' '.join(command[:2])} ended with {done.returncode}: see its log above")


def read(target: str, version: str, layout: Path) -> Image:
    """The image in a layout; DataInvalid where there is not exactly one."""
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    if len(index["manifests"]) != 1:
        raise DataInvalid(
            f"the {target} image holds {len(index['manifests'])} manifests: give an image of one platform"
        )
    algorithm, _, name = index["manifests"][0]["digest"].partition(":")
    return Image(target, tag(version, target), (layout / "blobs" / algorithm / name).read_bytes(), layout)
