"""The commit that is released: its version, its tag, its time, and clean copies of it."""

import io
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from loraruner.errors import DataInvalid

VERSION = re.compile(r'^__version__ = "(\d+\.\d+\.\d+)"$', re.MULTILINE)
NAMES_SHOWN = 5


@dataclass(frozen=True)
class Tree:
    """A checkout at one commit."""

    root: Path
    version: str
    revision: str
    epoch_s: int  # of the commit
    branch: str
    message: str
    remote: str


def read(root: Path) -> Tree:
    """What git and the sources say; DataInvalid for a version that is not X.Y.Z."""
    source = (root / "runner/loraruner/__init__.py").read_text(encoding="utf-8")
    match = VERSION.search(source)
    if match is None:
        raise DataInvalid('runner/loraruner/__init__.py has no line __version__ = "X.Y.Z": a release needs one')
    return Tree(
        root=root,
        version=match[1],
        revision=git(root, "rev-parse", "HEAD"),
        epoch_s=int(git(root, "log", "-1", "--format=%ct")),
        branch=git(root, "rev-parse", "--abbrev-ref", "HEAD"),
        message=git(root, "log", "-1", "--format=%s"),
        remote=without_credentials(git(root, "config", "--default", "", "--get", "remote.origin.url")),
    )


def require_clean(tree: Tree) -> None:
    """DataInvalid where a file differs from the commit or is unknown to git."""
    changed = git(tree.root, "status", "--porcelain").splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:NAMES_SHOWN]) + ", ..." * (len(changed) > NAMES_SHOWN)
        raise DataInvalid(f"the tree differs from its commit in {len(changed)} files ({names}): commit or remove them")


def require_tag(tree: Tree) -> None:
    """DataInvalid where the commit does not carry the tag of its version."""
    tags = git(tree.root, "tag", "--points-at", "HEAD").split()
    if f"v{tree.version}" not in tags:
        others = f", only {', '.join(tags)}" if tags else ""
        raise DataInvalid(
            f"HEAD ({tree.revision[:12]}) does not carry the tag v{tree.version}{others}: "
            "tag it, or publish a candidate by --candidate"
        )


def export(tree: Tree, folder: Path, *, later_s: int) -> Path:
    """A copy of the commit's files in ``folder``, with plain modes, dated ``later_s`` after the commit; DataInvalid."""
    data = subprocess.run(["git", "archive", "HEAD"], cwd=tree.root, capture_output=True, check=True).stdout
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = folder / member.name
            if not (member.isdir() or member.isfile()):
                raise DataInvalid(f"{member.name} is neither a file nor a folder: a release holds no links")
            (path if member.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
            if member.isfile() and (file := archive.extractfile(member)) is not None:
                path.write_bytes(file.read())
            path.chmod(0o755 if member.isdir() or member.mode & 0o100 else 0o644)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (tree.epoch_s + later_s,) * 2)
    return folder


def git(root: Path, *arguments: str) -> str:
    """What git answers; DataInvalid with its complaint."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DataInvalid(f"git {' '.join(arguments[:2])} in {root}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def without_credentials(url: str) -> str:
    """The address of a remote without user and token."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.scheme else url
