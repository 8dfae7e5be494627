"""``ci/image``: what it refuses, and what it tells the builder."""

import itertools
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from loraruner import __version__

ROOT = Path(__file__).parents[2]
build = SimpleNamespace(**runpy.run_path(str(ROOT / "ci/image_build.py")))
BASE = "registry.example.com/python"
PINNED = f"{BASE}@sha256:{'ab' * 32}"
PASSWORD = "planted-secret-0123456789"
WHEEL = f"loraruner-{__version__}-py3-none-any.whl"
# A builder that writes down its arguments and environment, one call after the other, and an id: the first is 11...
BUILDER = """\
#!{python}
import json, os, pathlib, sys
options = dict(zip(sys.argv, sys.argv[1:]))
context = pathlib.Path(sys.argv[-1])
secrets = [value.partition("src=")[2] for name, value in zip(sys.argv, sys.argv[1:]) if name == "--secret"]
seen = {{
    "arguments": sys.argv[1:-1],
    "context": sorted(str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()),
    "secrets": [pathlib.Path(path).read_text() for path in secrets if path.endswith("pip.conf")],
    "modes": [oct(os.stat(path).st_mode & 0o777) for path in secrets if path.endswith("pip.conf")],
}}
path = pathlib.Path({seen!r})
calls = [*(json.loads(path.read_text()) if path.exists() else []), seen]
path.write_text(json.dumps(calls))
print("words of the builder")
pathlib.Path(options["--iidfile"]).write_text("sha256:" + str(len(calls)) * 64)
"""


class Builders:
    """A PATH with stand-ins for buildah and docker, and ci/image run with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen = folder / "seen.json"
        (folder / WHEEL).write_bytes(b"wheel")
        (folder / "pip.conf").write_text(f"[global]\nindex-url = https://u:{PASSWORD}@registry.example.com/simple\n")

    def install(self, *names: str) -> None:
        for name in names:
            path = self.folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(BUILDER.format(python=sys.executable, seen=str(self.seen)))
            path.chmod(0o755)

    def __call__(self, **variables: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of ci/image."""
        plain = {"PATH": f"{self.folder}/bin", "PYTHON": sys.executable, "WHEEL": str(self.folder / WHEEL)}
        plain |= {"SOURCE_DATE_EPOCH": "1700000000", "REVISION": "f" * 40, "PIP_CONF": str(self.folder / "pip.conf")}
        environment = {**plain, "BASE_IMAGE": PINNED, **variables}
        done = subprocess.run(
            [sys.executable, str(ROOT / "ci/image_build.py")],
            env={name: value for name, value in environment.items() if value},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def calls(self) -> list[SimpleNamespace]:
        """What the builder was told, call by call."""
        return [SimpleNamespace(**call) for call in json.loads(self.seen.read_text())]

    def told(self) -> SimpleNamespace:
        """What it was told last, when it makes the image."""
        return self.calls()[-1]


@pytest.fixture
def builders(tmp_path: Path) -> Builders:
    return Builders(tmp_path)


@pytest.mark.parametrize(
    ("variables", "code", "message"),
    [
        ({"BASE_IMAGE": ""}, 64, "BASE_IMAGE is not set"),
        ({"BASE_IMAGE": BASE, "RELEASE": "1"}, 64, "has no digest, and a release needs one"),
        ({"BASE_IMAGE": f"{BASE}@sha256:ab", "RELEASE": "1"}, 64, "has no digest"),
        ({"TARGET": "gpu"}, 64, "TARGET=gpu is not known; give one of cpu, runtime"),
        ({"BUILDER": "kaniko"}, 64, "BUILDER=kaniko is not known"),
        ({"BUILDER": "docker"}, 78, "docker is not installed"),
        ({"SOURCE_URL": f"https://u:{PASSWORD}@git.example.com/x"}, 64, "SOURCE_URL is no https:// address without"),
        ({"SOURCE_DATE_EPOCH": "yesterday"}, 64, "SOURCE_DATE_EPOCH=yesterday is no number"),
        ({"WHEEL": "/nowhere/x.whl"}, 66, "WHEEL=/nowhere/x.whl is not there"),
        ({"WHEEL": __file__}, 65, f"is not the wheel of loraruner {__version__}"),
        ({"PIP_CONF": "/nowhere/pip.conf"}, 66, "PIP_CONF=/nowhere/pip.conf cannot be read (No such file"),
        ({"PIP_CONF": __file__}, 65, "is no pip.conf"),
    ],
)
def test_refused_with_one_sentence(builders: Builders, variables: Mapping[str, str], code: int, message: str) -> None:
    """What cannot be built ends before the builder starts, with a code of the table and no secret."""
    builders.install("buildah")
    found, out, err = builders(**variables)
    assert (found, out, builders.seen.exists()) == (code, "", False)
    assert message in err and len(err.splitlines()) == 1 and err.startswith("ci/image: ")
    assert PASSWORD not in err


def test_no_builder_is_installed(builders: Builders) -> None:
    """Without buildah and docker the sentence says how to get one."""
    code, _, err = builders()
    assert code == 78 and "neither buildah nor docker is installed; run ci/setup-system" in err


def test_buildah_is_told_everything(builders: Builders) -> None:
    """The id alone is on stdout; dates, labels, arguments and target are the builder's; the password is in no word."""
    builders.install("buildah", "docker")
    code, out, err = builders(SOURCE_URL="https://git.example.com/loraruner", RELEASE="1")
    assert (code, out) == (0, f"sha256:{'4' * 64}\n") and "words of the builder" in err
    told = builders.told()
    line = " ".join(told.arguments)
    assert line.startswith("bud --isolation chroot --format oci --timestamp 1700000000 --layers=false --build-arg ")
    assert f"--target cpu --tag localhost/loraruner:{__version__}-cpu" in line and "--no-cache" not in line
    for argument in (f"BASE_IMAGE={PINNED}", f"BASE_NAME={BASE}", "CREATED=2023-11-14T22:13:20Z", "CUDA_VERSION=none"):
        assert f"--build-arg {argument}" in line
    assert f"--label org.opencontainers.image.base.digest=sha256:{'ab' * 32}" in line
    assert "--label org.opencontainers.image.source=https://git.example.com/loraruner" in line
    assert PASSWORD not in str([call.arguments for call in builders.calls()]) + out + err


@pytest.mark.parametrize("target", ["cpu", "runtime"])
def test_what_a_release_does_not_change_is_built_with_a_date_of_its_own(builders: Builders, target: str) -> None:
    """The layers below our code come first, all of 1980 and without the labels of a release; the image stands on them
    by id, and is made without the cache, where the layer of a release with another date could be found."""
    builders.install("buildah")
    assert builders(TARGET=target)[0] == 0
    *lower, image = (call.arguments for call in builders.calls())
    stages = {"system": "1", "builder": "2", f"packages-{target}": "3"}
    for arguments, stage in zip(lower, stages, strict=True):
        line = " ".join(arguments)
        assert "--timestamp 315532800 --layers --build-arg" in line and line.endswith(f"--target {stage}")
        assert "--label" not in line and "--tag" not in line and "--secret id=pipconf" in line
    contexts = [value for name, value in itertools.pairwise(image) if name == "--build-context"]
    assert contexts == [f"{stage}=container-image://sha256:{digit * 64}" for stage, digit in stages.items()]


def test_folders_of_this_machine_leave_no_trace(builders: Builders) -> None:
    """buildah makes a folder in a layer for each that a step sees: only the call whose steps are left behind sees any,
    and the stages below are given to it ready-made."""
    builders.install("buildah")
    (builders.folder / "pip.conf").write_text(f"[global]\nfind-links = {builders.folder}\n")
    assert builders()[0] == 0
    system, builder, packages, image = (" ".join(call.arguments) for call in builders.calls())
    assert f"--volume {builders.folder}:{builders.folder}:ro" in packages
    assert not any("--volume" in line for line in (system, builder, image))
    assert "system=container-image://" in packages and "builder=container-image://" in packages


def test_the_index_is_a_secret(builders: Builders) -> None:
    """The builder gets pip.conf as a file that only its owner reads, and it is gone afterwards."""
    builders.install("buildah")
    assert builders()[0] == 0
    told = builders.told()
    (text,) = told.secrets
    assert f"index-url = https://u:{PASSWORD}@registry.example.com/simple" in text
    assert told.modes == ["0o600"]
    (path,) = (word.partition("src=")[2] for word in told.arguments if word.startswith("id=pipconf"))
    assert not Path(path).exists()


@pytest.mark.parametrize(
    ("target", "locks", "cuda"), [("cpu", ["cpu.lock", "torch-cpu.lock"], "none"), ("runtime", ["cuda.lock"], "13.0")]
)
def test_the_context_is_small(builders: Builders, target: str, locks: list[str], cuda: str) -> None:
    """The builder sees the Dockerfile, its scripts, the locks of the target and one wheel; CUDA's version is theirs."""
    builders.install("buildah")
    assert builders(TARGET=target, IMAGE="registry.example.com/l:1", NO_CACHE="1")[0] == 0
    told = builders.told()
    assert [name for name in told.context if name.endswith(".lock")] == [f"docker/{name}" for name in locks]
    assert f"dist/{WHEEL}" in told.context and len(told.context) == 7 + len(locks)
    assert {f"CUDA_VERSION={cuda}", "registry.example.com/l:1", "--layers=false"} <= set(told.arguments)
    assert all("--no-cache" in call.arguments for call in builders.calls()[:-1])


def test_docker_is_told_the_same(builders: Builders) -> None:
    """docker gets the same arguments in its own words; a folder that only buildah can mount is refused."""
    builders.install("docker")
    assert builders()[0] == 0
    line = " ".join(builders.told().arguments)
    assert line.startswith("buildx build --provenance=false --output type=docker,name=localhost/loraruner:")
    assert "rewrite-timestamp=true" in line and "--build-arg SOURCE_DATE_EPOCH=1700000000" in line
    (builders.folder / "pip.conf").write_text(f"[global]\nfind-links = {builders.folder}\n")
    code, _, err = builders()
    assert code == 78 and "which docker cannot mount in a build; use BUILDER=buildah" in err


def test_a_builder_that_fails(builders: Builders) -> None:
    """Its exit is ours to tell: 70, after its own lines."""
    builders.install("buildah")
    (builders.folder / "bin/buildah").write_text(f"#!{sys.executable}\nraise SystemExit(125)\n")
    code, out, err = builders()
    assert (code, out) == (70, "") and "buildah ended with 125" in err


def test_a_build_that_is_stopped_leaves_no_secret(builders: Builders) -> None:
    """SIGTERM while the builder works ends with 143, and pip.conf is gone."""
    builders.install("buildah")
    script = (builders.folder / "bin/buildah").read_text() + "import signal\nos.kill(os.getppid(), signal.SIGTERM)\n"
    (builders.folder / "bin/buildah").write_text(script + "signal.pause()\n")
    code, out, _ = builders()
    assert (code, out) == (143, "")
    (path,) = (word.partition("src=")[2] for word in builders.told().arguments if word.startswith("id=pipconf"))
    assert not Path(path).parent.parent.exists()


def test_ci_image_needs_a_python(tmp_path: Path) -> None:
    """Before make setup, or with a Python that has no loraruner, the script says what to do in a line."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {Path(sys.executable).resolve()} -I "$@"\n')
    bare.chmod(0o755)
    for python in (tmp_path / "no", bare):
        variables = {**os.environ, "PYTHON": str(python)}
        done = subprocess.run([ROOT / "ci/image"], env=variables, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
        assert "run make setup" in done.stderr


GIT = """\
#!/bin/sh
case "$*" in *rev-parse*) echo {commit} ;; *status*) printf '{status}' ;; *log*) echo 1600000000 ;; esac
"""


@pytest.mark.parametrize(("status", "revision"), [("", "c" * 40), (" M setup.cfg", "c" * 40 + "-dirty")])
def test_the_source_tells_revision_and_date(builders: Builders, status: str, revision: str) -> None:
    """Without variables git says both; files that differ from the commit show in the revision, and stop a release."""
    builders.install("buildah")
    git = builders.folder / "bin/git"
    git.write_text(GIT.format(commit="c" * 40, status=status))
    git.chmod(0o755)
    assert builders(REVISION="", SOURCE_DATE_EPOCH="")[0] == 0
    assert {f"REVISION={revision}", "CREATED=2020-09-13T12:26:40Z"} <= set(builders.told().arguments)
    code, _, err = builders(REVISION="", RELEASE="1")
    assert (code, "differs from its commit" in err) == ((64, True) if status else (0, False))
