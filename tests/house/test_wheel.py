"""Wheel, sdist and editable install hold the whole package; the wheel is reproducible and works installed."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import loraruner

ROOT = Path(__file__).parents[2]
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "runner", "schemas", "helm")
SCHEMA = 'importlib.resources.files("loraruner.schemas") / "job.schema.json"'


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """Run a command in ``folder``, away from the checkout; its standard output."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source: Path, output: Path, *kinds: str) -> dict[str, Path]:
    """Build a source tree with the locked setuptools; file suffix -> what was built."""
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", str(output), str(source)]
    run(*command, folder=source, SOURCE_DATE_EPOCH="1700000000")
    return {path.suffix: path for path in output.iterdir()}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the package is built from, without anything that an earlier build left."""
    copy = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel and an sdist, each straight from the tree."""
    return build(tree, tmp_path_factory.mktemp("dist"), "--wheel", "--sdist")


def members(wheel: Path) -> set[str]:
    """Names of a wheel's files without its metadata."""
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


@pytest.mark.slow
def test_wheel_holds_the_whole_package(tree: Path, built: dict[str, Path]) -> None:
    """Every file of the package, of schemas/ and of helm/ is in the wheel, and nothing else."""
    package = {str(path.relative_to(tree / "runner")) for path in (tree / "runner").rglob("*") if path.is_file()}
    package = {name for name in package if ".egg-info/" not in name}
    schemas = {f"loraruner/{path.relative_to(tree)}" for path in (tree / "schemas").rglob("*") if path.is_file()}
    chart = {
        f"loraruner/chart/{path.relative_to(tree / 'helm')}" for path in (tree / "helm").rglob("*") if path.is_file()
    }
    assert members(built[".whl"]) == package | schemas | chart
    assert {"loraruner/chart/loraruner/Chart.yaml", "loraruner/chart/loraruner/templates/job.yaml"} <= chart
    assert {"loraruner/py.typed", "loraruner/schemas/job.schema.json"} <= package | schemas


@pytest.mark.slow
def test_sdist_builds_the_same_wheel(built: dict[str, Path], tmp_path: Path) -> None:
    """A wheel made from the unpacked sdist has the same files with the same bytes."""
    with tarfile.open(built[".gz"]) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    again = build(source, tmp_path / "dist", "--wheel")[".whl"]
    with zipfile.ZipFile(again) as left, zipfile.ZipFile(built[".whl"]) as right:
        assert {name: left.read(name) for name in members(again)} == {
            name: right.read(name) for name in members(built[".whl"])
        }


@pytest.mark.slow
def test_wheel_is_reproducible(tree: Path, built: dict[str, Path], tmp_path: Path) -> None:
    """The same tree and SOURCE_DATE_EPOCH give the same wheel, byte for byte."""
    again = build(tree, tmp_path / "dist", "--wheel")[".whl"]
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (again, built[".whl"])}
    assert len(digests) == 1


@pytest.mark.slow
def test_installed_wheel_works(built: dict[str, Path], tmp_path: Path) -> None:
    """Installed into a fresh environment, the command answers and the schema is found beside the code."""
    run(sys.executable, "-m", "venv", "--without-pip", "fresh", folder=tmp_path)
    python = tmp_path / "fresh/bin/python"
    install: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-qq",
        "--no-index",
        "--no-deps",
    ]
    run(*install, built[".whl"], folder=tmp_path)
    locked = sysconfig.get_path("purelib")  # as a plain path: the editable loraruner there is not switched on
    shown = run(tmp_path / "fresh/bin/loraruner", "--version", folder=tmp_path, PYTHONPATH=locked)
    assert loraruner.__version__ in shown
    ask = f"import importlib.resources; print({SCHEMA})"
    schema = run(python, "-c", ask, folder=tmp_path, PYTHONPATH=locked)
    assert Path(schema.strip()).is_file()
    assert tmp_path in Path(schema.strip()).parents


def test_editable_install_serves_the_schema(tmp_path: Path) -> None:
    """From any folder the editable install finds the code in runner/ and the schema in schemas/."""
    schema = run(sys.executable, "-c", f"import importlib.resources; print({SCHEMA})", folder=tmp_path)
    assert Path(schema.strip()) == ROOT / "schemas/job.schema.json"
