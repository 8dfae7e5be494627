"""What was released installs by digest into an empty environment, and trains."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.artifactory import Artifactory
from tests.support.artifactory_front import Behind
from tests.support.released import ROOT, Project

pytestmark = pytest.mark.slow

OURS = re.compile(r"^loraruner==[^\n]*(?:\n[ \t]+--hash=[^\n]*)*\n", re.MULTILINE)


def run(*command: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command away from the checkout, with nothing of this environment on its path."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(command, cwd=folder, env=kept | environment, capture_output=True, text=True, check=False)


def pip(python: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """This environment's pip, at work in another one."""
    options = ["--no-input", "--disable-pip-version-check", "--no-cache-dir"]
    command = (sys.executable, "-m", "pip", "--python", python, *options, *arguments)
    return run(*command, folder=python.parent, **environment)


def empty_environment(folder: Path) -> Path:
    """The Python of an environment without any package."""
    assert run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder.parent).returncode == 0
    return folder / "bin/python"


def index(behind: Behind) -> str:
    """The candidates' index, as pip addresses it."""
    return f"http://127.0.0.1:{behind.indexes['pypi-candidate']}/simple/"


def test_installed_by_digest_it_trains(project: Project, server: Artifactory, behind: Behind, tmp_path: Path) -> None:
    """One ``pip install --require-hashes`` from the one index that it was released to; then the style example."""
    assert project.release().code == 0
    released = server.files["generic-candidate/loraruner/0.0.1/requirements-cpu.lock"]
    everything, needed = tmp_path / "requirements-cpu.lock", tmp_path / "needed.lock"
    everything.write_bytes(server.blobs[released])
    needed.write_text(OURS.sub("", everything.read_text(), count=1))
    # What others published, from where pip finds it on this machine: the index serves it as a mirror would.
    exact = ("--no-deps", "--require-hashes", "--only-binary=:all:")
    mirror = behind.folder / "pypi-candidate/others"
    mirrored = pip(Path(sys.executable), "download", *exact, "--dest", mirror, "-r", needed)
    assert mirrored.returncode == 0, mirrored.stderr
    python = empty_environment(tmp_path / "fresh")
    alone = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    options = ("install", "--no-compile", "--require-hashes", "--only-binary=:all:", "--index-url", index(behind))
    done = pip(python, *options, "-r", everything, **alone)
    shutil.rmtree(mirror)
    mirror.mkdir()
    assert done.returncode == 0 and "loraruner-0.0.1" in done.stdout, done.stdout + done.stderr
    assert pip(python, "check").returncode == 0

    shutil.copytree(ROOT / "examples/style", tmp_path / "work/examples/style")
    few = (
        "--set",
        "training.max_steps=2",
        "--set",
        'sampling.prompts=["a red circle"]',
        "--set",
        "options.sample_steps=2",
    )
    command = tmp_path / "fresh/bin/loraruner"
    trained = run(command, "train", "examples/style/job.json", *few, folder=tmp_path / "work")
    assert trained.returncode == 0, trained.stderr
    version = tmp_path / "work" / json.loads(trained.stdout)["uri"]
    manifest = json.loads((version / "manifest.json").read_text())
    assert manifest["software"]["loraruner"] == "0.0.1"
    assert run(command, "adapter", "verify", version, folder=tmp_path / "work").returncode == 0


def test_other_bytes_are_not_installed(project: Project, behind: Behind, tmp_path: Path) -> None:
    """Where the index serves a wheel and an sdist with other bytes, pip refuses the released requirements."""
    assert project.release().code == 0
    ours = OURS.search((project.made / "requirements-cpu.lock").read_text())
    assert ours is not None
    (tmp_path / "ours.lock").write_text(ours[0])
    for path in (behind.folder / "pypi-candidate/data").iterdir():
        path.write_bytes(path.read_bytes() + b"\n")
    python = empty_environment(tmp_path / "fresh")
    options = ("install", "--require-hashes", "--no-deps", "--index-url", index(behind), "-r", tmp_path / "ours.lock")
    done = pip(python, *options)
    assert done.returncode == 1 and "DO NOT MATCH THE HASHES" in done.stderr
