"""A repository of our own to release from: the real sources at one commit, with a tag, and a small image."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.tiny_image import write_image

ROOT = Path(__file__).parents[2]
PARTS = (
    "runner",
    "schemas",
    "helm",
    "docker",
    "ci",
    "setup.cfg",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    ".gitignore",
)
SETTINGS = ("ARTIFACTORY_", "RELEASE_", "PROMOTE_", "BASE_IMAGE", "BUILDER", "TWINE_")
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_{who}_NAME": "Test" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "test@example.com" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "1700000000 +0000" for who in ("AUTHOR", "COMMITTER")},
}


@dataclass
class Run:
    """How a run ended."""

    code: int
    out: str
    err: str

    def lines(self, word: str) -> list[str]:
        """What it said of a kind, such as ``sent``, without the digests."""
        start = f"release: {word}: "
        return [line.removeprefix(start).partition(" (")[0] for line in self.out.splitlines() if line.startswith(start)]


@dataclass
class Project:
    """A checkout, and the settings by which it releases."""

    folder: Path
    version: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def made(self) -> Path:
        """Where its artefacts are kept."""
        return self.folder / "dist/release" / self.version

    @property
    def image(self) -> Path:
        """The layout of its small image."""
        return self.folder.parent / "image"

    def git(self, *arguments: str) -> str:
        """Run git in it."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=os.environ | GIT, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def release(self, *options: str, **environment: str) -> Run:
        """Run ``ci/release`` with the small image ready-made."""
        return self.run(*options, "--image", f"cpu={self.image}", **environment)

    def promote(self, *options: str, **environment: str) -> Run:
        """Run ``ci/release promote``."""
        return self.run("promote", *options, **environment)

    def tools(self) -> dict[str, str]:
        """Python, and no home that anything could be read from or written to."""
        return {"PYTHON": sys.executable, "HOME": "/nonexistent"}

    def run(self, *options: str, **environment: str) -> Run:
        """Run ``ci/release`` as a user would."""
        with self.started(*options, **environment) as process:
            out, err = process.communicate()
        return Run(process.returncode, out, err)

    def started(self, *options: str, **environment: str) -> "subprocess.Popen[str]":
        """The same, while it runs."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        chosen = outside | GIT | self.tools() | self.environment | environment
        chosen = {name: value for name, value in chosen.items() if value != "unset"}
        command, pipe = [str(self.folder / "ci/release"), *options], subprocess.PIPE
        return subprocess.Popen(command, cwd="/", env=chosen, stdout=pipe, stderr=pipe, text=True)


def create(folder: Path, version: str) -> Project:
    """A repository with the sources of this one, committed as ``version`` and tagged."""
    project = Project(folder / "checkout", version)
    project.folder.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, project.folder / name, ignore=ignored, symlinks=True)
        else:
            shutil.copy(ROOT / name, project.folder / name)
    (project.folder / "runner/loraruner/__init__.py").write_text(f'"""A copy."""\n\n__version__ = "{version}"\n')
    chart = project.folder / "helm/loraruner/Chart.yaml"
    lines = chart.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("version:", "appVersion:"))]
    chart.write_text("\n".join([*kept, f"version: {version}", f"appVersion: {version}", ""]))
    project.git("init", "--quiet", "--initial-branch", "main")
    project.commit("The first version")
    project.git("tag", f"v{version}")
    write_image(project.image, "ours", revision=project.git("rev-parse", "HEAD"))
    return project


def copied(project: Project, folder: Path) -> Project:
    """The same repository, image and artefacts elsewhere."""
    shutil.copytree(project.folder.parent, folder, symlinks=True)
    return Project(folder / project.folder.name, project.version, dict(project.environment))
