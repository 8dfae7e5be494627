"""The commit that is released: its version, its tag, its time, and clean copies of it."""

import fcntl
import hashlib
import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from loraruner.errors import DataInvalid, TemporaryFailure

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
        branch=git(root, "symbolic-ref", "--quiet", "--short", "HEAD", missing=""),  # CI checks out commits
        message=git(root, "log", "-1", "--format=%s"),
        remote=without_credentials(git(root, "config", "--default", "", "--get", "remote.origin.url")),
    )


def require_clean(tree: Tree) -> None:
    """DataInvalid where a file differs from the commit, is unknown to git, or is hidden from its eyes."""
    # Whatever the user's own settings of git leave out of a status.
    status = git(tree.root, "status", "--porcelain", "--untracked-files=all", "--ignore-submodules=none").splitlines()
    changed = [line[3:] for line in status]
    # Files that git was told not to look at (assume-unchanged, skip-worktree): they may hold anything.
    known = git(tree.root, "ls-files", "-v").splitlines()
    changed += [line[2:] for line in known if line[0] == "S" or line[0].islower()]
    if changed:
        names = ", ".join(changed[:NAMES_SHOWN]) + ", ..." * (len(changed) > NAMES_SHOWN)
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


def require_no_other_tag(tree: Tree) -> None:
    """DataInvalid where the tag of this version is on another commit, which no candidate of this one can become."""
    tagged = git(tree.root, "rev-parse", "--quiet", "--verify", f"refs/tags/v{tree.version}^{{commit}}", missing="")
    if tagged not in ("", tree.revision):
        raise DataInvalid(f"v{tree.version} is {tagged[:12]} and HEAD is {tree.revision[:12]}: raise the version")


@contextmanager
def alone(tree: Tree) -> Iterator[None]:
    """No other release of this checkout until the block ends, however it ends; TemporaryFailure while there is one."""
    folder = tree.root / "dist/release"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TemporaryFailure(f"another release of {tree.root} is at work: wait for its end") from None
        yield


def export(tree: Tree, folder: Path, *, later_s: int) -> Path:
    """A copy of the commit's files in ``folder``, with plain modes, dated ``later_s`` after the commit; DataInvalid."""
    data = subprocess.run(["git", "archive", tree.revision], cwd=tree.root, capture_output=True, check=True).stdout
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = folder / member.name
            (path if member.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
            if member.issym() and _stays_inside(member):
                path.symlink_to(member.linkname)
                continue
            if not (member.isdir() or member.isfile()):
                raise DataInvalid(f"{member.name} is no file, no folder and no link to one of the tree: take it out")
            if member.isfile() and (file := archive.extractfile(member)) is not None:
                path.write_bytes(file.read())
            path.chmod(0o755 if member.isdir() or member.mode & 0o100 else 0o644)
    _require_same(tree, folder)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (tree.epoch_s + later_s,) * 2, follow_symlinks=False)
    return folder


def _stays_inside(link: tarfile.TarInfo) -> bool:
    target = os.path.normpath(os.path.join(os.path.dirname(link.name), link.linkname))
    return not (os.path.isabs(link.linkname) or target.startswith(".."))


def _require_same(tree: Tree, folder: Path) -> None:
    """DataInvalid where attributes or settings of git left a file out of the copy, or changed it."""
    listed = git(tree.root, "ls-tree", "-r", "-z", tree.revision).split("\0")
    for mode, _, known, name in (re.split(r"[ \t]", line, maxsplit=3) for line in listed if line):
        path = folder / name
        if mode == "160000":
            raise DataInvalid(f"{name} is a submodule, whose files no release holds: take it out")
        data = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        if data is None or _object_name(data, "sha1" if len(known) == 40 else "sha256") != known:
            raise DataInvalid(f"git archive changes {name} or leaves it out: look at .gitattributes and core.autocrlf")


def _object_name(data: bytes, kind: str) -> str:
    """By which git knows a file of these bytes."""
    return hashlib.new(kind, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def git(root: Path, *arguments: str, missing: str | None = None) -> str:
    """What git answers, or ``missing`` where it says in silence that there is none; DataInvalid with its complaint."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode == 1 and missing is not None:
        return missing
    if done.returncode != 0:
        raise DataInvalid(f"git {' '.join(arguments[:2])} in {root}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def without_credentials(url: str) -> str:
    """The address of a remote without user and token."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.scheme else url
