"""docker/Dockerfile by its text: nothing pinned that was not resolved, no secret, and what both images promise."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.dockerfile import DOCKERFILE, ROOT, last, pairs, read_stages, steps_of

TEXT = DOCKERFILE.read_text()
BEFORE, STAGES = read_stages(TEXT)
TARGETS = ("cpu", "runtime")
LABELS = {
    *(f"org.opencontainers.image.{name}" for name in ("title", "description", "version", "revision", "created")),
    *("org.opencontainers.image.licenses", "org.opencontainers.image.base.name"),
    *(f"com.loraruner.{name}" for name in ("schema.version", "torch.version", "cuda.version", "lock.sha256")),
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1"}
CUDA = {
    "NVIDIA_VISIBLE_DEVICES": "all",
    "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    "NVIDIA_REQUIRE_CUDA": "cuda>=${CUDA_VERSION}",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
}
SECRET_MOUNTS = (
    "--mount=type=secret,id=pipconf,target=/etc/pip.conf,required=false",
    "--mount=type=secret,id=ca,target=/run/secrets/ca,required=false",
)
SECRET_NAME = re.compile(r"(^|_)(TOKEN|PASSWORD|PASSWD|SECRET|KEY|CREDENTIALS?|INDEX|URL|USERNAME)(_|$)")


def run_steps() -> list[str]:
    return [rest for stage in STAGES.values() for name, rest in stage.steps if name == "RUN"]


def copied() -> set[str]:
    """What COPY takes from the build context."""
    steps = [rest for stage in STAGES.values() for name, rest in stage.steps if name == "COPY"]
    return {source for rest in steps if "--from" not in rest for source in rest.split()[:-1]}


def test_hadolint_finds_nothing() -> None:
    """The linter of Dockerfiles has no remark on ours."""
    command = [str(Path(sys.executable).with_name("hadolint")), "--no-color", str(DOCKERFILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["ci/image", "ci/base-image", "docker/install-locked", "docker/finish"])
def test_shellcheck_finds_nothing(name: str) -> None:
    """The linter of shell scripts has no remark, and the file may be run."""
    command = [Path(sys.executable).with_name("shellcheck"), ROOT / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert (ROOT / name).stat().st_mode & 0o111 == 0o111


def test_the_base_is_chosen_by_whoever_builds() -> None:
    """BASE_IMAGE has no default, every stage comes from it, and no digest is written anywhere."""
    assert BEFORE == [("ARG", "BASE_IMAGE")]
    assert {stage.base for stage in STAGES.values()} - set(STAGES) == {"${BASE_IMAGE}"}
    assert not re.search(r"[0-9a-f]{64}", TEXT)


def test_no_address_and_no_secret() -> None:
    """No index, password or address is an argument, a variable or a label: those stay in the history of an image."""
    assert "://" not in TEXT
    assert not re.search(r"index-url|PIP_|NETRC", TEXT)
    told = [rest for stage in STAGES.values() for name, rest in stage.steps if name in ("ARG", "ENV")]
    names = {word.partition("=")[0] for rest in told for word in rest.split()}
    assert "LORARUNER_CACHE" in names and [name for name in names if SECRET_NAME.search(name)] == []
    with_default = [rest for stage in STAGES.values() for name, rest in stage.steps if name == "ARG" and "=" in rest]
    assert with_default == []


def test_an_index_is_asked_with_the_build_secrets() -> None:
    """Each step that installs sees pip.conf and CA as build secrets, or is told to ask nobody."""
    installing = [step for step in run_steps() if "install-locked /" in step]
    assert len(installing) == 6
    for step in installing:
        assert all(mount in step for mount in SECRET_MOUNTS) or "--no-index" in step


def test_installing_checks_hashes_and_builds_nothing() -> None:
    """pip takes wheels by their digests alone, resolves and caches nothing; what it left out would fail pip check."""
    script = (ROOT / "docker/install-locked").read_text()
    assert all(
        option in script
        for option in ("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--no-input")
    )
    assert "--invalidation-mode unchecked-hash" in script
    assert re.search(r"-m pip .* check$", (ROOT / "docker/finish").read_text(), flags=re.MULTILINE)
    assert all("pip install" not in step for step in run_steps())


def test_both_builders_read_it() -> None:
    """No syntax line, heredoc, SHELL or linked copy: buildah knows none of them, and the first is a download."""
    assert not re.search(r"^# *syntax|<<|--link|^SHELL|^HEALTHCHECK|^VOLUME|^ADD|^ONBUILD", TEXT, flags=re.MULTILINE)


@pytest.mark.parametrize("target", TARGETS)
def test_the_process(target: str) -> None:
    """tini is PID 1 in exec form, the user a number, and nothing can come after that."""
    assert json.loads(last(target, "ENTRYPOINT")) == ["/usr/bin/tini", "--", "loraruner"]
    assert json.loads(last(target, "CMD")) == ["--help"]
    assert last(target, "USER") == "10001:10001"
    assert last(target, "WORKDIR") == "/workspace"


@pytest.mark.parametrize("target", TARGETS)
def test_the_environment(target: str) -> None:
    """Offline, unbuffered, found by PATH, and all that is written lies below the mount."""
    environment = pairs(target, "ENV")
    assert (OFFLINE | PYTHON).items() <= environment.items()
    assert environment["PATH"].split(":")[0] == "/opt/venv/bin"
    assert environment["TOKENIZERS_PARALLELISM"] == "false"
    assert environment["USER"] == "loraruner"
    assert environment["LORARUNER_REVISION"] == "${REVISION}"
    folders = {name for name in environment if name in ("HOME", "TMPDIR") or name.endswith(("CACHE", "DIR", "HOME"))}
    assert {"LORARUNER_CACHE", "LORARUNER_WORKDIR", "HOME", "TMPDIR", "TRITON_CACHE_DIR"} <= folders
    assert all(environment[name].startswith("/workspace/.loraruner/") for name in folders)


def test_only_the_gpu_image_asks_for_gpus() -> None:
    """What the NVIDIA runtime reads stands in one image: the other would see GPUs that it cannot use."""
    assert CUDA.items() <= pairs("runtime", "ENV").items()
    assert set(CUDA) & set(pairs("cpu", "ENV")) == set()


@pytest.mark.parametrize("target", TARGETS)
def test_the_labels(target: str) -> None:
    """Every label of the documentation, those of the content by build arguments that the stage declares."""
    labels = pairs(target, "LABEL")
    assert set(labels) == LABELS
    arguments = set(re.findall(r"\$\{(\w+)\}", " ".join(labels.values())))
    assert arguments <= {rest for name, rest in STAGES[target].steps if name == "ARG"}


@pytest.mark.parametrize("target", TARGETS)
def test_the_layers_by_how_often_they_change(target: str) -> None:
    """System, NVIDIA's wheels, torch, other packages, locks, our data, our code: a release changes the last alone."""
    layers = [rest for name, rest in steps_of(target) if name in ("RUN", "COPY")]
    sources = [re.sub(r"^--from=\S+ ", "", layer).split()[0] for layer in layers[1:]]
    accelerator = ["/layers/nvidia/"] if target == "runtime" else []
    lock = "docker/cpu.lock" if target == "cpu" else "docker/cuda.lock"
    assert sources == [*accelerator, "/layers/torch/", "/layers/dependencies/", lock, "/layers/data/", "/layers/app/"]
    assert layers[0].startswith("set -eu; ")


def test_the_context_holds_what_is_copied() -> None:
    """Each file that COPY names is in the repository, let through by .dockerignore, and put there by ci/image."""
    ignored, *allowed = (line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#"))
    build = runpy.run_path(str(ROOT / "ci/image_build.py"))
    given = {*build["CONTEXT"], *(lock for locks in build["LOCKS"].values() for lock in locks)}
    assert ignored == "*"
    files = copied() - {"dist/loraruner-*.whl"}
    assert files | {"docker/Dockerfile"} == given
    assert all((ROOT / name).is_file() for name in given)
    patterns = {line.removeprefix("!") for line in allowed}
    assert {re.sub(r"[\w-]+\.lock", "*.lock", name) for name in given} | {"dist/loraruner-*.whl"} == patterns


def test_the_cuda_lock_falls_into_three_layers() -> None:
    """Every package of docker/cuda.lock is in exactly one layer: accelerator, torch, or the rest."""
    rules = re.findall(r"keep = (!?)/(\^[^/]+)/", TEXT)
    pins = re.findall(r"^[a-z0-9][\w.-]*==\S+", (ROOT / "docker/cuda.lock").read_text(), flags=re.MULTILINE)
    groups = [{pin for pin in pins if bool(re.match(rule, pin)) != bool(negated)} for negated, rule in rules]
    accelerator, torch, rest = groups
    assert [pin.partition("==")[0] for pin in torch] == ["torch"]
    assert len(accelerator) > 10 and not any(re.match("nvidia(?!-ml-py)|cuda", pin) for pin in torch | rest)
    assert sum(map(len, groups)) == len(accelerator | torch | rest) == len(pins)
