"""The small programs around the image: pip's settings, checks within the build, what podman is told, a base."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from loraruner import __version__

ROOT = Path(__file__).parents[2]
check = SimpleNamespace(**runpy.run_path(str(ROOT / "ci/image_check.py")))
prune = SimpleNamespace(**runpy.run_path(str(ROOT / "ci/image_prune.py")))
pip = SimpleNamespace(**runpy.run_path(str(ROOT / "ci/image_pip.py")))
containers = SimpleNamespace(**runpy.run_path(str(ROOT / "ci/containers.py")))


def test_settings_of_pip_that_a_build_needs(tmp_path: Path) -> None:
    """Of pip's listing places, CA and limits remain; folders are found in paths and file:// addresses."""
    wheels, index = tmp_path / "wheels", tmp_path / "index/simple"
    wheels.mkdir()
    index.mkdir(parents=True)
    options = pip.parse_listing(
        [
            ":env:.cert='/ca.pem'",
            f":env:.find-links='{wheels}'",
            f"global.extra-index-url='\\nfile://{index}\\nhttps://registry.example.com/simple'",
            "global.find-links='/nowhere'",
            ":env:.default-timeout='180'",
            "global.user='true'",
            "download.no-index='1'",
        ]
    )
    assert options == {
        "cert": "/ca.pem",
        "find-links": str(wheels),
        "extra-index-url": f"file://{index} https://registry.example.com/simple",
        "timeout": "180",
    }
    assert pip.local_folders(options) == (tmp_path / "index", wheels)


def test_the_ca_is_a_secret_of_its_own(tmp_path: Path) -> None:
    """pip.conf names the place where the build finds the CA, whose file is handed in as it is."""
    (tmp_path / "pip.conf").write_text("[global]\ncert = /etc/own-ca.pem\n[install]\nno-index = true\n")
    found = pip.pip_settings({"PIP_CONF": str(tmp_path / "pip.conf")}, tmp_path / "secrets")
    assert found.secrets["ca"] == Path("/etc/own-ca.pem") and found.folders == ()
    lines = found.secrets["pipconf"].read_text().splitlines()
    assert lines == [f"# {pip.MARK}", "[global]", "cert = /run/secrets/ca", "no-index = true"]


def test_a_wrong_argument_stops_the_build(tmp_path: Path) -> None:
    """Every build argument of a label is compared with what is installed; the sentence has both values."""
    (tmp_path / "lock").mkdir()
    told = {"VERSION": __version__, "TORCH_VERSION": "1.0", "CUDA_VERSION": "none", "SCHEMA_VERSION": "0", "X": "y"}
    wrong = check.wrong_arguments(told, tmp_path)
    assert [line.split()[2] for line in wrong if "must be" in line] == [
        *("TORCH_VERSION", "SCHEMA_VERSION", "LOCK_SHA256"),
    ]
    assert "is '1.0' and must be '2." in wrong[0]


def test_an_uncompiled_module_stops_the_build(tmp_path: Path) -> None:
    """A module without bytecode is named, unless it is written for another Python."""
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "other.py").write_text("print 'x'\n")
    (tmp_path / "rare").mkdir()
    (tmp_path / "rare/seldom.py").write_text("x = 1\n")
    assert check.uncompiled(tmp_path, "/(rare)/") == [
        f"{tmp_path}/good.py is not compiled: install it with docker/install-locked"
    ]
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / f"__pycache__/good.{sys.implementation.cache_tag}.pyc").write_bytes(b"")
    assert check.uncompiled(tmp_path, "/(rare)/") == []
    assert len(check.uncompiled(tmp_path, "/(never)/")) == 1


def test_what_is_compiled_late_is_no_part_of_a_run() -> None:
    """Each folder that is left out is there, and nothing that every training needs is among them."""
    left_out = (ROOT / "docker/not-compiled").read_text().strip()
    paths = [str(path) for path in (ROOT / "runner/loraruner").rglob("*.py")]
    found = {path.split("/loraruner/")[1] for path in paths if re.search(left_out, path)}
    folders = {name.rpartition("/")[0] for name in found}
    assert folders == {"advice", "dispatch", "faults", "importers", "data/label", "data/review"}


def test_pruning_keeps_the_records_true(tmp_path: Path) -> None:
    """Headers, test programs and tests go, with their lines in RECORD; what torch starts stays."""
    packages = tmp_path / "lib/python3.11/site-packages"
    files = ("torch/include/a.h", "torch/bin/protoc", "torch/bin/torch_shm_manager", "torch/test/x", "torch/nn.py")
    others = ("sympy/core/tests/test_a.py", "sympy/core/a.py", "numpy/tests/a.py")
    for name in (*files, *others):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("")
    (packages / "torch-1.dist-info").mkdir()
    record = packages / "torch-1.dist-info/RECORD"
    record.write_text("".join(f"{name},sha256=x,0\n" for name in files) + "torch-1.dist-info/RECORD,,\n")
    prune.main([str(tmp_path)])
    left = {str(path.relative_to(packages)) for path in packages.rglob("*") if path.is_file()}
    kept = {"torch/bin/torch_shm_manager", "torch/nn.py"}
    assert left == kept | {"sympy/core/a.py", "numpy/tests/a.py", "torch-1.dist-info/RECORD"}
    rows = record.read_text().splitlines()
    assert {row.partition(",")[0] for row in rows} == kept | {"torch-1.dist-info/RECORD"}


@pytest.mark.parametrize(("capabilities", "unified", "expected"), [(1 << 24, True, False), (0, True, True)])
def test_when_podman_needs_to_be_told(
    capabilities: int, unified: bool, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root without CAP_SYS_RESOURCE needs a containers.conf, and so do cgroups that are not version 2."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t{capabilities:016x}\n")
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    assert containers.needed(tmp_path / "status", tmp_path) is expected
    (tmp_path / "cgroup.controllers").unlink()
    assert containers.needed(tmp_path / "status", tmp_path) is True


def test_a_configuration_of_ones_own_holds(tmp_path: Path) -> None:
    """CONTAINERS_CONF that is set stays, and nothing is written."""
    written = tmp_path / "containers.conf"
    assert containers.environment({"CONTAINERS_CONF": "/mine"}, written) == {"CONTAINERS_CONF": "/mine"}
    assert not written.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [([], 2, "no command"), (["--"], 2, "no command"), (["--", "/no/such/podman"], 69, "cannot be run")],
)
def test_wrapper_says_what_is_wrong(arguments: list[str], code: int, message: str) -> None:
    """Without a command, or with one that is not there, one sentence and a code."""
    command = [sys.executable, str(ROOT / "ci/containers.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, message in done.stderr, len(done.stderr.splitlines())) == (code, True, 1)


def test_the_wrapper_becomes_the_command() -> None:
    """Its exit code and output are the command's."""
    program = "import os, sys; print(os.environ['X']); sys.exit(85)"
    command = [sys.executable, str(ROOT / "ci/containers.py"), "--", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "X": "kept"})
    assert (done.returncode, done.stdout) == (85, "kept\n")


class BaseTools:
    """Stand-ins for what ci/base-image calls; each writes down its arguments."""

    def __init__(self, folder: Path, *, there: bool, user: int = 0) -> None:
        self.folder, self.log = folder, folder / "log"
        self.write("id", f"echo {user}")
        self.write("podman", f'[ "$1" != image ] || exit {0 if there else 1}\ntar -t > {folder}/imported\necho id')
        self.write("debootstrap", 'for root; do case $root in /*) mkdir -p "$root/var/log" "$root/etc"; esac; done')

    def write(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {self.log}\n{script}\n')
        path.chmod(0o755)

    def __call__(self, python: str = sys.executable) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of ci/base-image."""
        variables = {"PATH": f"{self.folder}:{os.environ['PATH']}", "PYTHON": python, "CONTAINERS_CONF": "/x"}
        command = [ROOT / "ci/base-image"]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr


def test_a_base_that_is_there_is_kept(tmp_path: Path) -> None:
    """Its name is printed and nothing is made."""
    tools = BaseTools(tmp_path, there=True)
    assert tools()[:2] == (0, "localhost/loraruner-base:bookworm-py311\n")
    assert "debootstrap" not in tools.log.read_text()


def test_a_base_is_made(tmp_path: Path) -> None:
    """debootstrap makes a minimal Debian 12 with Python and tini; it is imported, and the name alone is printed."""
    tools = BaseTools(tmp_path, there=False)
    assert tools()[:2] == (0, "localhost/loraruner-base:bookworm-py311\n")
    log = tools.log.read_text()
    assert "debootstrap --variant=minbase --include=python3.11,python3.11-venv," in log and ",tini," in log
    assert "podman import --quiet - localhost/loraruner-base:bookworm-py311\n" in log
    assert "./etc/" in (tmp_path / "imported").read_text().splitlines()


def test_a_base_needs_root(tmp_path: Path) -> None:
    """Another user is told what to do instead, before anything is made."""
    tools = BaseTools(tmp_path, there=False, user=1000)
    code, out, err = tools()
    assert (code, out) == (77, "") and "debootstrap needs root" in err and "BASE_IMAGE" in err


def test_a_base_needs_a_python(tmp_path: Path) -> None:
    """Before make setup one sentence says what to do, and no minute is spent on a base that nobody can import."""
    tools = BaseTools(tmp_path, there=True)
    code, out, err = tools(str(tmp_path / "no-python"))
    assert (code, out, err.count("\n")) == (78, "", 1) and "no-python; run make setup" in err
    assert not tools.log.exists()


def test_an_archive_that_fails(tmp_path: Path) -> None:
    """When debootstrap fails its last lines and a sentence are told, and no image is imported."""
    tools = BaseTools(tmp_path, there=False)
    tools.write("debootstrap", "echo E: no such archive\nexit 1")
    code, out, err = tools()
    assert (code, out) == (75, "") and "E: no such archive" in err and "name another archive in MIRROR" in err
    assert not (tmp_path / "imported").exists()
